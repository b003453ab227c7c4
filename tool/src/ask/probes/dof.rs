//! Probes of DTrace: the section `.SUNW_dof` holds a file of its own form (DOF, `<sys/dtrace.h>`), which `dtrace -G` writes and the program's
//! start code hands to the kernel.
//!
//! A probe has the address of its function and the distances of its places from there. The address is a word that is relocated: by the static
//! linker, by a dynamic relocation of the file, and by the kernel, which adds the load bias (DOF_RELO_SETX) or the word's own address
//! (DOF_RELO_DOFREL). What comes out is the same; see [`Dof::function_address`].

use super::Probe;
use crate::contents::{Contents, Value};
use crate::elf::words::Words;

/// Types of sections (`DOF_SECT_…`).
const PROVIDER: u32 = 15;
const RELOCATION_TABLE: u32 = 10;
const USER_RELOCATIONS: u32 = 12;

/// `DOF_RELO_DOFREL`: the kernel adds the address of the word.
const RELATIVE_TO_WORD: u32 = 2;

/// Bytes of a probe's record.
const PROBE_SIZE: u64 = 48;

/// The most probes that are read.
const MOST: usize = 1 << 16;

/// The probes; damage goes to `notes`.
pub fn read(contents: &Contents<'_>, notes: &mut Vec<String>) -> Vec<Probe> {
    let mut probes = Vec::new();
    let sections = &contents.binary.sections;
    for section in sections.iter().filter(|section| section.name == ".SUNW_dof") {
        let bytes = crate::relocations::content(contents.binary, section).unwrap_or_default();
        let dof = Dof {
            bytes,
            words: contents.binary.words(),
            at: section.address,
            contents,
        };
        if dof.probes(&mut probes).is_none() {
            notes.push("the DOF in .SUNW_dof is damaged, or its probes are incomplete".to_owned());
        }
    }
    probes
}

/// One DOF.
struct Dof<'a> {
    bytes: &'a [u8],
    words: Words,
    /// Link-time address
    at: u64,
    contents: &'a Contents<'a>,
}

/// A section of it.
#[derive(Clone, Copy)]
struct Part {
    kind: u32,
    entry_size: u64,
    offset: u64,
    size: u64,
}

impl<'a> Dof<'a> {
    fn word(&self, at: u64) -> Option<u32> {
        self.words.word(self.bytes, at)
    }

    fn long(&self, at: u64) -> Option<u64> {
        self.words.number(self.bytes, at, 8)
    }

    /// Section number `index`; the header says where the table is and how many there are.
    fn part(&self, index: u32) -> Option<Part> {
        let (size, count, table) = (self.word(24)?, self.word(28)?, self.long(32)?);
        if index >= count {
            return None;
        }
        let at = table.checked_add(u64::from(index).checked_mul(size.into())?)?;
        Some(Part {
            kind: self.word(at)?,
            entry_size: self.word(at.checked_add(12)?)?.into(),
            offset: self.long(at.checked_add(16)?)?,
            size: self.long(at.checked_add(24)?)?,
        })
    }

    fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        let count = self.word(28).unwrap_or_default();
        (0..count).map_while(|index| self.part(index))
    }

    fn string(&self, table: Part, offset: u32) -> Option<String> {
        let from = usize::try_from(table.offset.checked_add(offset.into())?).ok()?;
        let end = usize::try_from(table.offset.checked_add(table.size)?).ok()?;
        let text = self.bytes.get(from..end)?.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// Adds all probes; `None` when something is damaged.
    fn probes(&self, into: &mut Vec<Probe>) -> Option<()> {
        if !self.bytes.starts_with(b"\x7fDOF") {
            return None;
        }
        for provider in self.parts().filter(|part| part.kind == PROVIDER) {
            let field = |number: u64| self.word(provider.offset.checked_add(number * 4)?);
            let strings = self.part(field(0)?)?;
            let records = self.part(field(1)?)?;
            let offsets = self.part(field(3)?)?;
            // Older DOF has no section of places that ask whether they are watched.
            let enabled = field(10).filter(|index| *index != 0).and_then(|index| self.part(index));
            let name = self.string(strings, field(4)?)?;
            let size = records.entry_size.max(PROBE_SIZE);
            for index in 0..records.size / size {
                let at = records.offset.checked_add(index * size)?;
                self.probe(at, &name, strings, (offsets, enabled), into)?;
                if into.len() > MOST {
                    return None;
                }
            }
        }
        Some(())
    }

    fn probe(
        &self,
        at: u64,
        provider: &str,
        strings: Part,
        (offsets, enabled): (Part, Option<Part>),
        into: &mut Vec<Probe>,
    ) -> Option<()> {
        // The whole record is there, so that sums below cannot overflow.
        self.long(at.checked_add(PROBE_SIZE - 8)?)?;
        let function = self.function_address(at)?;
        let name = self.string(strings, self.word(at + 12)?)?;
        let function_name = self.string(strings, self.word(at + 8)?)?;
        let arguments = self.arguments(strings, self.word(at + 16)?, *self.bytes.get(at as usize + 32)?)?;
        let count = self.words.half(self.bytes, at + 34)?;
        let enabled_count = self.words.half(self.bytes, at + 40)?;
        let mut add = |table: Part, first: u32, count: u16, is_enabled: bool| {
            for index in 0..u64::from(count) {
                let entry = (u64::from(first) + index) * 4;
                if entry + 4 > table.size {
                    return None;
                }
                let distance = self.word(table.offset.checked_add(entry)?)?;
                into.push(Probe {
                    form: "DTrace",
                    provider: provider.to_owned(),
                    name: name.clone(),
                    address: function.wrapping_add(distance.into()),
                    section: None,
                    semaphore: None,
                    arguments: if is_enabled { Vec::new() } else { arguments.clone() },
                    function: Some(function_name.clone()),
                    is_enabled,
                });
            }
            Some(())
        };
        add(offsets, self.word(at + 28)?, count, false)?;
        match enabled {
            Some(table) => add(table, self.word(at + 36)?, enabled_count, true),
            None => Some(()),
        }
    }

    /// The types of a probe's arguments: so many strings behind each other.
    fn arguments(&self, strings: Part, first: u32, count: u8) -> Option<Vec<String>> {
        let mut at = first;
        let mut types = Vec::new();
        for _ in 0..count {
            let text = self.string(strings, at)?;
            at = at.checked_add(u32::try_from(text.len()).ok()?)?.checked_add(1)?;
            types.push(text);
        }
        Some(types)
    }

    /// The link-time address of a probe's function: the word at the start of its record, as it will be.
    fn function_address(&self, record: u64) -> Option<u64> {
        let place = self.at.wrapping_add(record);
        let word = self.contents.words(place, 8).first().cloned();
        match word.as_ref().map(|word| &word.value) {
            Some(Value::Address { address, .. }) => return Some(*address),
            Some(Value::Symbol { address, .. }) => return *address,
            _ => {}
        }
        let stored = self.long(record)?;
        match self.is_relative_to_word(record) {
            true => Some(place.wrapping_add(stored)),
            false => Some(stored),
        }
    }

    /// Whether the kernel would add the address of the word at `at`.
    fn is_relative_to_word(&self, at: u64) -> bool {
        self.parts()
            .filter(|part| part.kind == USER_RELOCATIONS)
            .filter_map(|header| {
                // The header names its strings, its table, and the section that is changed.
                let table = self.part(self.word(header.offset.checked_add(4)?)?)?;
                let target = self.part(self.word(header.offset.checked_add(8)?)?)?;
                Some((table, target))
            })
            .filter(|(table, _)| table.kind == RELOCATION_TABLE)
            .any(|(table, target)| {
                let size = table.entry_size.max(24);
                (0..table.size / size).take(MOST).any(|index| {
                    let entry = table.offset.wrapping_add(index * size);
                    let place = self
                        .long(entry.wrapping_add(8))
                        .map(|into| target.offset.wrapping_add(into));
                    place == Some(at) && self.word(entry.wrapping_add(4)) == Some(RELATIVE_TO_WORD)
                })
            })
    }
}
