//! Relocations that a linker has applied and kept (`--emit-relocs`): no loader reads them, but whoever rewrites the file does, so they
//! have to agree with its bytes.

use super::finding::{self, Finding};
use crate::elf::{Binary, EM_X86_64, Section};

const SHT_RELA: u32 = 4;
const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;
/// Bytes of an `Elf64_Rela` and of an `Elf64_Sym`
const RELA: u64 = 24;
const SYMBOL: u64 = 24;
/// Relocations whose value is a distance, which no load bias changes: R_X86_64_PC32, R_X86_64_PLT32.
const PC32: u64 = 2;
const PLT32: u64 = 4;
/// `STT_NOTYPE`, `STT_OBJECT`, `STT_FUNC` and `STT_SECTION`: the value is an address.
const ADDRESSES: std::ops::RangeInclusive<u8> = 0..=3;
/// Sections whose parts linkers move: what an addend means in them is known to the linker alone.
const SHF_MERGE: u64 = 16;
/// How many places are named.
const SHOWN: usize = 3;

/// What kept relocations say, if there are any and they do not agree with the bytes.
pub fn relocations(name: &str, binary: &Binary) -> Option<Finding> {
    if binary.header.machine != EM_X86_64 || binary.header.bits != 64 || !binary.header.little_endian {
        return None;
    }
    let mut tally = Tally::default();
    for section in binary
        .sections
        .iter()
        .filter(|section| section.kind == SHT_RELA && section.flags & SHF_ALLOC == 0)
    {
        tally.add(binary, section);
    }
    if tally.wrong == 0 {
        return None;
    }
    let finding = Finding::warning(
        finding::KEPT_RELOCATIONS,
        name,
        format!(
            "{} of {} relocations that the linker kept disagree with the bytes",
            tally.wrong, tally.compared
        ),
    );
    let finding = tally.shown.into_iter().fold(finding, Finding::seen);
    Some(
        finding
            .because(
                "the file was linked with --emit-relocs and changed afterwards, or its relocations are another file's",
            )
            .fix("link it again, or remove them (objcopy --remove-relocations); a loader does not read them"),
    )
}

#[derive(Default)]
struct Tally {
    compared: u64,
    wrong: u64,
    shown: Vec<String>,
}

impl Tally {
    /// Compares the relocations of one section with the code that they belong to.
    fn add(&mut self, binary: &Binary, section: &Section) {
        let at = |index: u32| binary.sections.get(usize::try_from(index).ok()?);
        let (Some(target), Some(symbols)) = (at(section.info), at(section.link)) else {
            return;
        };
        // Only code: tables such as .eh_frame are edited by linkers after they were relocated.
        if target.flags & SHF_EXECINSTR == 0 {
            return;
        }
        let (Some(records), Some(symbols)) = (content(binary, section), content(binary, symbols)) else {
            return;
        };
        for record in records.chunks_exact(RELA as usize) {
            self.compare(binary, target, record, symbols);
        }
    }

    fn compare(&mut self, binary: &Binary, target: &Section, record: &[u8], symbols: &[u8]) -> Option<()> {
        let words = binary.words();
        let (place, info, addend) = (
            words.number(record, 0, 8)?,
            words.number(record, 8, 8)?,
            words.number(record, 16, 8)?,
        );
        let (kind, index) = (info & 0xffff_ffff, info >> 32);
        let symbol = index.checked_mul(SYMBOL)?;
        let (information, section) = (
            words.number(symbols, symbol.checked_add(4)?, 1)?,
            words.half(symbols, symbol + 6)?,
        );
        let value = words.number(symbols, symbol + 8, 8)?;
        let (binding, symbol_kind) = (information >> 4, u8::try_from(information & 15).ok()?);
        // A call of a symbol that others may replace goes through a table of the linker's.
        let is_direct = kind == PC32 || (kind == PLT32 && binding == 0);
        let is_merged = binary
            .sections
            .get(usize::from(section))
            .is_none_or(|one| one.flags & SHF_MERGE != 0);
        let is_inside = place.checked_sub(target.address).is_some_and(|into| into < target.size);
        if !is_direct
            || !is_inside
            || is_merged
            || section == 0
            || section >= 0xff00
            || !ADDRESSES.contains(&symbol_kind)
        {
            return None;
        }
        let expected = value.wrapping_add(addend).wrapping_sub(place) as u32;
        let found = words.word(binary.at(place, 4)?, 0)?;
        self.compared += 1;
        if found != expected {
            self.wrong += 1;
            if self.shown.len() < SHOWN {
                self.shown.push(format!(
                    "{place:#x} in {}: {found:#010x}, should be {expected:#010x}",
                    target.name
                ));
            }
        }
        Some(())
    }
}

/// The bytes of a section.
fn content<'a>(binary: &'a Binary, section: &Section) -> Option<&'a [u8]> {
    let from = usize::try_from(section.offset).ok()?;
    binary
        .bytes
        .get(from..from.checked_add(usize::try_from(section.size).ok()?)?)
}
