//! What stands in a file's tables: its relocations one by one, and what a search through its hash table costs.

use lode::arch::{Ask, x86_64::MACHINE};
use lode::elf::hash::gnu_hash;
use lode::elf::relr::for_each;
use serde::Serialize;

use crate::elf::{Binary, Segment};

mod tag {
    pub const PLTRELSZ: u64 = 2;
    pub const RELA: u64 = 7;
    pub const RELASZ: u64 = 8;
    pub const REL: u64 = 17;
    pub const RELSZ: u64 = 18;
    pub const PLTREL: u64 = 20;
    pub const JMPREL: u64 = 23;
    pub const RELRSZ: u64 = 35;
    pub const RELR: u64 = 36;
    pub const GNU_HASH: u64 = 0x6fff_fef5;
}

/// Bytes of an entry with an addend, and without.
const RELA_SIZE: u64 = 24;
const REL_SIZE: u64 = 16;

/// One word to be relocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Relocation {
    /// Link-time address of the place
    pub at: u64,
    /// Its number in the psABI
    pub kind: u32,
    /// Index of the symbol, 0 without one
    pub symbol: u32,
    /// The addend; `None` where it stands at the place
    pub addend: Option<u64>,
    /// The table that it comes from
    pub table: &'static str,
}

impl Relocation {
    /// Its name without the machine.
    pub fn name(&self) -> String {
        match (MACHINE.relocation)(self.kind) {
            _ if self.table == "RELR" => "RELR".to_owned(),
            Some(known) => known.name.trim_start_matches("R_X86_64_").to_owned(),
            None => format!("type {}", self.kind),
        }
    }

    /// What it asks for.
    pub fn ask(&self) -> Ask {
        (MACHINE.relocation)(self.kind).map_or(Ask::Nothing, |known| known.ask)
    }

    /// Its formula: S the symbol's address, A the addend, B the load bias, P the place.
    pub fn formula(&self) -> &'static str {
        match self.ask() {
            Ask::Nothing => "nothing",
            Ask::Relative => "B + A",
            Ask::Value { pc_relative: true, .. } => "S + A - P",
            Ask::Value { addend: true, .. } => "S + A",
            Ask::Value { .. } | Ask::GlobDat | Ask::JumpSlot => "S",
            Ask::Copy => "the symbol's data",
            Ask::Size(_) => "size of S + A",
            Ask::TlsModule => "the TLS number of the module that has S",
            Ask::TlsModuleOffset(_) => "offset of S in its module's TLS + A",
            Ask::ThreadOffset(_) => "offset of S from the thread pointer + A",
            Ask::TlsDescriptor => "code that finds S, and its argument",
            Ask::Indirect => "what the resolver at B + A answers",
        }
    }
}

/// All words of a file, in the order of `readelf -r`: the table of DT_RELA or DT_REL, that of the PLT, then the words of DT_RELR.
pub fn relocations(binary: &Binary) -> Vec<Relocation> {
    let value = |tag| binary.dynamic_value(tag);
    let range = |at, size| value(at).zip(value(size));
    let plt = range(tag::JMPREL, tag::PLTRELSZ);
    let mut all = Vec::new();
    for (table, range) in [
        ("RELA", range(tag::RELA, tag::RELASZ)),
        ("REL", range(tag::REL, tag::RELSZ)),
    ] {
        let Some((at, size)) = range else { continue };
        // Some linkers count the PLT's table in.
        let own = match plt {
            Some((start, _)) if start >= at && start < at.saturating_add(size) => start - at,
            _ => size,
        };
        entries(binary, (at, own), table, table == "RELA", &mut all);
    }
    if let Some(range) = plt {
        entries(binary, range, "PLT", value(tag::PLTREL) == Some(tag::RELA), &mut all);
    }
    for at in relr_words(binary) {
        all.push(Relocation {
            at,
            kind: 8,
            symbol: 0,
            addend: None,
            table: "RELR",
        });
    }
    all
}

fn entries(binary: &Binary, (at, size): (u64, u64), table: &'static str, with_addend: bool, all: &mut Vec<Relocation>) {
    let step = if with_addend { RELA_SIZE } else { REL_SIZE };
    let bytes = binary.at(at, size - size % step).unwrap_or_default();
    for entry in bytes.chunks_exact(step as usize) {
        let words = binary.words();
        let word = |index: u64| words.number(entry, index * 8, 8).unwrap_or(0);
        all.push(Relocation {
            at: word(0),
            kind: word(1) as u32,
            symbol: (word(1) >> 32) as u32,
            addend: with_addend.then(|| word(2)),
            table,
        });
    }
}

/// The entries of DT_RELR.
pub fn relr_entries(binary: &Binary) -> u64 {
    binary.dynamic_value(tag::RELRSZ).unwrap_or(0) / 8
}

/// The places that DT_RELR means; as many as can be read.
pub fn relr_words(binary: &Binary) -> Vec<u64> {
    let range = binary.dynamic_value(tag::RELR).zip(binary.dynamic_value(tag::RELRSZ));
    let bytes = range
        .and_then(|(at, size)| binary.at(at, size - size % 8))
        .unwrap_or_default();
    let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    let mut places = Vec::new();
    let _ = for_each(words, &mut |at| {
        places.push(at.0);
        Some(())
    });
    places
}

/// The part of the file that is writable at first and read-only when the program runs.
pub fn relro(binary: &Binary) -> Option<&Segment> {
    const PT_GNU_RELRO: u32 = 0x6474_e552;
    binary.segments.iter().find(|segment| segment.kind == PT_GNU_RELRO)
}

/// What asking one module for a name costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Two bits of the Bloom filter say that the name is not there
    Filtered,
    /// The filter lets it pass; so many hash values of the bucket are compared
    Compared(u32),
    /// There is no GNU hash table
    NoTable,
}

/// A GNU hash table as it stands in a file.
#[derive(Debug, Default)]
pub struct HashTable {
    first: u32,
    shift: u32,
    bloom: Vec<u64>,
    buckets: Vec<u32>,
    chains: Vec<u32>,
}

impl HashTable {
    /// Reads the table; an empty one where there is none, or it is damaged.
    pub fn of(binary: &Binary) -> HashTable {
        HashTable::read(binary).unwrap_or_default()
    }

    fn read(binary: &Binary) -> Option<HashTable> {
        let at = binary.dynamic_value(tag::GNU_HASH)?;
        let halves = |at: u64, count: u64| -> Option<Vec<u32>> {
            let bytes = binary.at(at, count.checked_mul(4)?)?;
            Some(
                bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|half| u32::from_le_bytes(*half))
                    .collect(),
            )
        };
        let [buckets, first, filter, shift] = *halves(at, 4)?.as_chunks::<4>().0.first()?;
        let bloom = at + 16;
        let bytes = binary.at(bloom, u64::from(filter) * 8)?;
        let table = bloom + u64::from(filter) * 8;
        let chains = (binary.symbols.len() as u64).checked_sub(first.into())?;
        Some(HashTable {
            first,
            shift,
            bloom: bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|word| u64::from_le_bytes(*word))
                .collect(),
            buckets: halves(table, buckets.into())?,
            chains: halves(table + u64::from(buckets) * 4, chains)?,
        })
    }

    /// What asking for a name costs.
    pub fn ask(&self, name: &str) -> Answer {
        let hash = gnu_hash(name.as_bytes());
        let count = self.bloom.len() as u32;
        let Some(word) = (hash / 64)
            .checked_rem(count)
            .and_then(|at| self.bloom.get(at as usize))
        else {
            return Answer::NoTable;
        };
        let bits = 1 << (hash % 64) | 1u64 << (hash.checked_shr(self.shift).unwrap_or(0) % 64);
        if word & bits != bits {
            return Answer::Filtered;
        }
        let bucket = hash
            .checked_rem(self.buckets.len() as u32)
            .and_then(|at| self.buckets.get(at as usize));
        let start = bucket.and_then(|bucket| bucket.checked_sub(self.first));
        let chain = start
            .and_then(|start| self.chains.get(start as usize..))
            .unwrap_or_default();
        let mut compared = 0;
        for value in chain {
            compared += 1;
            if value | 1 == hash | 1 || value & 1 == 1 {
                break;
            }
        }
        Answer::Compared(compared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_any_byte_changed_never_panics() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let whole = Binary::parse(bytes.clone()).unwrap();
        let (start, size) = whole
            .segments
            .iter()
            .find(|segment| segment.kind == crate::elf::PT_DYNAMIC)
            .map(|segment| (segment.offset as usize, segment.file_size as usize))
            .unwrap();
        let hash = whole.file_offset(whole.dynamic_value(tag::GNU_HASH).unwrap()).unwrap() as usize;
        let places = (start..start + size).step_by(3).chain(hash..hash + 16);
        let mut seed = 1u64;
        for at in places {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut changed = whole.clone();
            changed.bytes[at] = (seed >> 33) as u8;
            if let (Some(entry), Some(value)) = (
                at.checked_sub(start).map(|into| into / 16),
                changed.bytes.get(at).copied(),
            ) && let Some(place) = changed.dynamic.get_mut(entry)
            {
                place.1 ^= u64::from(value) << (at % 8 * 8);
            }
            relocations(&changed);
            HashTable::of(&changed).ask("memcpy");
        }
    }

    #[test]
    fn every_defined_symbol_passes_its_own_filter() {
        let libc = Binary::open(std::path::Path::new("/lib/x86_64-linux-gnu/libc.so.6"));
        let Ok(libc) = libc else { return };
        let table = HashTable::of(&libc);
        for symbol in libc.symbols.iter().skip(table.first as usize) {
            assert!(
                matches!(table.ask(&symbol.name), Answer::Compared(_)),
                "{}",
                symbol.name
            );
        }
        let absent = (0..1000).filter(|number| table.ask(&format!("no such {number}")) == Answer::Filtered);
        assert!(absent.count() > 500);
    }
}
