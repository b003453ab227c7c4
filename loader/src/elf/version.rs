//! Symbol versions: what a file requires (DT_VERNEED) and defines (DT_VERDEF). Source: LSB core, "Symbol Versioning".
//!
//! Both are chains of records that lead on by distances in bytes and are told apart by counts. A record may only lead forward by at least
//! its own size, so no chain is endless; and a file has no more versions than there are indices, so no chain is too long.
#![forbid(unsafe_code)]

use super::{u16_at, u32_at};
use crate::error::{Fault, Kind, Rule};

/// Bit of a DT_VERSYM entry: the definition is not the default one of its symbol.
pub const HIDDEN: u16 = 0x8000;
/// Version index: the symbol is local.
pub const LOCAL: u16 = 0;
/// Version index: the symbol has no version (of its own).
pub const GLOBAL: u16 = 1;

const FLAG_BASE: u16 = 1;
const FLAG_WEAK: u16 = 2;
const NEED_SIZE: usize = 16;
const NEED_ENTRY_SIZE: usize = 16;
/// Bytes of a record of DT_VERDEF
pub const DEFINITION_SIZE: usize = 20;

/// There are 15 bits of version index.
const MOST_VERSIONS: usize = 0x7fff;

/// One version that a file requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The library's name as in DT_NEEDED: offset into the string table
    pub file: u32,
    /// SysV hash of the name
    pub hash: u32,
    /// VER_FLG_WEAK: the library may lack it.
    pub weak: bool,
    /// The index that DT_VERSYM entries use for it, with the [`HIDDEN`] bit as it stands
    pub index: u16,
    /// Offset into the string table
    pub name: u32,
}

/// One defined version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The index that DT_VERSYM entries use for it
    pub index: u16,
    /// SysV hash of the name
    pub hash: u32,
    /// VER_FLG_BASE: the name is that of the file.
    pub base: bool,
    /// VER_FLG_WEAK
    pub weak: bool,
    /// Offset into the string table
    pub name: u32,
}

/// Decodes the `count` records of DT_VERNEED (DT_VERNEEDNUM) at the start of `bytes`, and gives each version to `take`.
///
/// # Errors
/// [`Rule::VersionNeed`] with the offset of the record that is outside, of another revision, or leads nowhere; those of `take`.
pub fn needs(bytes: &[u8], count: u64, take: &mut dyn FnMut(Need) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut total = 0;
    let mut at = Some(0u32);
    for _ in 0..count {
        let start = at.ok_or_else(|| damaged_need(bytes.len()))?;
        let fault = || damaged_need(start as usize);
        let record: Record<NEED_SIZE> = record(bytes, start).ok_or_else(fault)?;
        if record.half(0) != 1 {
            return Err(fault());
        }
        let entry_count = record.half(2);
        total += usize::from(entry_count);
        if total > MOST_VERSIONS {
            return Err(fault());
        }
        let first = start.checked_add(record.word(8)).ok_or_else(fault)?;
        need_entries(bytes, first, entry_count, record.word(4), take)?;
        at = follow(start, record.word(12), NEED_SIZE);
    }
    Ok(())
}

fn need_entries(
    bytes: &[u8],
    first: u32,
    count: u16,
    file: u32,
    take: &mut dyn FnMut(Need) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut at = Some(first);
    for _ in 0..count {
        let start = at.ok_or_else(|| damaged_need(first as usize))?;
        let record: Record<NEED_ENTRY_SIZE> = record(bytes, start).ok_or_else(|| damaged_need(start as usize))?;
        take(Need {
            file,
            hash: record.word(0),
            weak: record.half(4) & FLAG_WEAK != 0,
            index: record.half(6),
            name: record.word(8),
        })?;
        at = follow(start, record.word(12), NEED_ENTRY_SIZE);
    }
    Ok(())
}

/// Decodes the `count` records of DT_VERDEF (DT_VERDEFNUM) at the start of `bytes`, and gives each to `take`. The names of predecessors are left out:
/// nothing uses them.
///
/// # Errors
/// [`Rule::VersionDefinition`] with the offset of the record that is outside, of another revision, without a name, or leads nowhere; those
/// of `take`.
pub fn definitions(
    bytes: &[u8],
    count: u64,
    take: &mut dyn FnMut(Definition) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut at = Some(0u32);
    for number in 0..count {
        let start = at.ok_or_else(|| damaged_definition(bytes.len()))?;
        let fault = || damaged_definition(start as usize);
        let definition: Record<DEFINITION_SIZE> = record(bytes, start).ok_or_else(fault)?;
        if definition.half(0) != 1 || definition.half(6) == 0 || number >= MOST_VERSIONS as u64 {
            return Err(fault());
        }
        let flags = definition.half(2);
        let name: Record<4> = start
            .checked_add(definition.word(12))
            .and_then(|at| record(bytes, at))
            .ok_or_else(fault)?;
        take(Definition {
            index: definition.half(4) & !HIDDEN,
            hash: definition.word(8),
            base: flags & FLAG_BASE != 0,
            weak: flags & FLAG_WEAK != 0,
            name: name.word(0),
        })?;
        at = follow(start, definition.word(16), DEFINITION_SIZE);
    }
    Ok(())
}

/// A record of `SIZE` bytes that lies wholly in the file. Its fields are asked for by constant offsets.
struct Record<'a, const SIZE: usize>(&'a [u8; SIZE]);

impl<const SIZE: usize> Record<'_, SIZE> {
    #[inline]
    fn half(&self, at: usize) -> u16 {
        u16_at(self.0, at).unwrap_or(0)
    }
    #[inline]
    fn word(&self, at: usize) -> u32 {
        u32_at(self.0, at).unwrap_or(0)
    }
}

fn record<const SIZE: usize>(bytes: &[u8], at: u32) -> Option<Record<'_, SIZE>> {
    bytes.get(at as usize..)?.first_chunk().map(Record)
}

/// Where the record behind the one at `start` is; `None` when there is none, or when the distance would lead into the record itself.
fn follow(start: u32, distance: u32, size: usize) -> Option<u32> {
    if (distance as usize) < size {
        return None;
    }
    start.checked_add(distance)
}

fn damaged_need(at: usize) -> Fault {
    Kind::malformed(Rule::VersionNeed, at as u64, 0)
}

fn damaged_definition(at: usize) -> Fault {
    Kind::malformed(Rule::VersionDefinition, at as u64, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn needs(bytes: &[u8], count: u64) -> Result<Vec<Need>, Fault> {
        let mut needs = Vec::new();
        super::needs(bytes, count, &mut |need| {
            needs.push(need);
            Ok(())
        })?;
        Ok(needs)
    }

    fn definitions(bytes: &[u8], count: u64) -> Result<Vec<Definition>, Fault> {
        let mut definitions = Vec::new();
        super::definitions(bytes, count, &mut |definition| {
            definitions.push(definition);
            Ok(())
        })?;
        Ok(definitions)
    }

    fn halves(bytes: &mut Vec<u8>, values: &[u16]) {
        values
            .iter()
            .for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    }

    fn words(bytes: &mut Vec<u8>, values: &[u32]) {
        values
            .iter()
            .for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    }

    /// Two libraries; the first with two versions, the second with one that is weak.
    fn need_bytes() -> Vec<u8> {
        let mut bytes = Vec::new();
        halves(&mut bytes, &[1, 2]);
        words(&mut bytes, &[100, 16, 48]);
        for (index, next) in [(2, 16), (3, 0)] {
            words(&mut bytes, &[0x0969_1a75]);
            halves(&mut bytes, &[0, index]);
            words(&mut bytes, &[200, next]);
        }
        halves(&mut bytes, &[1, 1]);
        words(&mut bytes, &[101, 16, 0]);
        words(&mut bytes, &[0x0696_91b4]);
        halves(&mut bytes, &[2, 4]);
        words(&mut bytes, &[201, 0]);
        bytes
    }

    /// The file's own name and one version that has a predecessor.
    fn definition_bytes() -> Vec<u8> {
        let mut bytes = Vec::new();
        halves(&mut bytes, &[1, 1, 1, 1]);
        words(&mut bytes, &[7, 20, 28, 50, 0]);
        halves(&mut bytes, &[1, 2, 2, 2]);
        words(&mut bytes, &[8, 20, 0, 51, 8, 50, 0]);
        bytes
    }

    fn patched(mut bytes: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
        bytes[at] = value;
        bytes
    }

    #[test]
    fn requirements_are_decoded_by_library() {
        let need = |file, hash, weak, index, name| Need {
            file,
            hash,
            weak,
            index,
            name,
        };
        assert_eq!(
            needs(&need_bytes(), 2),
            Ok(vec![
                need(100, 0x0969_1a75, false, 2, 200),
                need(100, 0x0969_1a75, false, 3, 200),
                need(101, 0x0696_91b4, true, 4, 201),
            ])
        );
        assert_eq!(needs(&[], 0), Ok(vec![]));
    }

    #[test]
    fn definitions_are_decoded_with_their_first_name() {
        let definition = |index, hash, base, weak, name| Definition {
            index,
            hash,
            base,
            weak,
            name,
        };
        assert_eq!(
            definitions(&definition_bytes(), 2),
            Ok(vec![
                definition(1, 7, true, false, 50),
                definition(2, 8, false, true, 51)
            ])
        );
    }

    #[test]
    fn every_truncated_prefix_is_refused() {
        let bytes = need_bytes();
        for length in 0..bytes.len() {
            assert!(needs(&bytes[..length], 2).is_err(), "{length}");
        }
        let bytes = definition_bytes();
        // The predecessor's name, the last 8 bytes, is not read; nor is the link to it.
        for length in 0..bytes.len() - 12 {
            assert!(definitions(&bytes[..length], 2).is_err(), "{length}");
        }
    }

    #[test]
    fn a_chain_that_is_shorter_than_its_count_is_refused() {
        assert_eq!(needs(&need_bytes(), 3), Err(damaged_need(80)));
        assert_eq!(needs(&patched(need_bytes(), 2, 3), 2), Err(damaged_need(16)));
        assert!(definitions(&definition_bytes(), 3).is_err());
    }

    #[test]
    fn a_chain_that_leads_into_itself_is_refused() {
        for distance in 1..16 {
            assert!(needs(&patched(need_bytes(), 12, distance), 2).is_err());
            assert!(needs(&patched(need_bytes(), 28, distance), 2).is_err());
            assert!(definitions(&patched(definition_bytes(), 16, distance), 2).is_err());
        }
    }

    #[test]
    fn a_chain_that_leads_outside_is_refused() {
        for at in [11, 15, 31] {
            assert!(needs(&patched(need_bytes(), at, 0xff), 2).is_err());
        }
        for at in [15, 19] {
            assert!(definitions(&patched(definition_bytes(), at, 0xff), 2).is_err());
        }
    }

    #[test]
    fn another_revision_is_refused() {
        assert!(needs(&patched(need_bytes(), 0, 2), 2).is_err());
        assert!(definitions(&patched(definition_bytes(), 0, 0), 2).is_err());
    }

    #[test]
    fn a_definition_without_a_name_is_refused() {
        assert!(definitions(&patched(definition_bytes(), 6, 0), 2).is_err());
    }

    #[test]
    fn more_versions_than_there_are_indices_are_refused() {
        // Records that claim 0xffff entries each: refused before the entries are read.
        let mut bytes = Vec::new();
        halves(&mut bytes, &[1, 0xffff]);
        words(&mut bytes, &[0, 16, 16]);
        bytes.resize(1 << 20, 0);
        assert_eq!(needs(&bytes, u64::MAX), Err(damaged_need(0)));
    }
}
