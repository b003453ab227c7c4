//! Versions (W04), by the records themselves (gABI supplement "Symbol Versioning").

use std::collections::BTreeMap;

use lode::elf::dynamic::tag;

use super::{Code, Findings};
use crate::elf::Binary;

/// The most records that are looked at.
const MOST: u64 = 1 << 16;

/// In a version index: not the default definition.
const HIDDEN: u16 = 0x8000;

/// Looks at them.
pub fn look(binary: &Binary, findings: &mut Findings) {
    let has = |tag: u64| binary.dynamic_value(tag).is_some();
    findings.add_if(
        has(tag::VERSYM) && !has(tag::VERNEED) && !has(tag::VERDEF),
        Code::VersionIndicesAlone,
        "",
    );
    for need in &binary.version_needs {
        findings.add_if(
            !binary.needed.contains(&need.file),
            Code::VersionNotNeeded,
            format!("{} of {}", names(&need.versions), need.file),
        );
    }
    let mut indices = BTreeMap::new();
    let mut look = |record: Record| {
        findings.add_if(
            record.hash != hash(&record.name),
            Code::VersionHash,
            format!("{:#x} for {}", record.hash, record.name),
        );
        if let Some(before) = indices.insert(record.index, record.name.clone()) {
            findings.add(
                Code::VersionIndexTwice,
                format!("{} for {before} and {}", record.index, record.name),
            );
        }
    };
    let damaged = needs(binary, &mut look).is_none() | definitions(binary, &mut look).is_none();
    findings.add_if(damaged, Code::Damage, "the version records end early");
    if !damaged {
        symbol_indices(binary, &indices, findings);
    }
}

fn names(versions: &[(String, bool)]) -> String {
    let names: Vec<&str> = versions.iter().map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}

/// A version that the file wants or defines.
struct Record {
    index: u16,
    hash: u32,
    name: String,
}

/// `vna_hash` and `vd_hash`: the hash function of DT_HASH.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0u32, |hash, byte| {
        let hash = (hash << 4).wrapping_add(byte.into());
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}

fn string(binary: &Binary, offset: u32) -> Option<String> {
    let (at, size) = (binary.dynamic_value(tag::STRTAB)?, binary.dynamic_value(tag::STRSZ)?);
    let bytes = binary.at(at, size)?.get(offset as usize..)?;
    let text = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// DT_VERNEED; `None` when it is damaged.
fn needs(binary: &Binary, look: &mut impl FnMut(Record)) -> Option<()> {
    let words = binary.words();
    let Some(mut at) = binary.dynamic_value(tag::VERNEED) else {
        return Some(());
    };
    for _ in 0..binary.dynamic_value(tag::VERNEEDNUM)?.min(MOST) {
        let record = binary.at(at, 16)?;
        let (count, first, next) = (words.half(record, 2)?, words.word(record, 8)?, words.word(record, 12)?);
        let mut entry_at = at.checked_add(first.into())?;
        for _ in 0..count {
            let entry = binary.at(entry_at, 16)?;
            look(Record {
                hash: words.word(entry, 0)?,
                index: words.half(entry, 6)? & !HIDDEN,
                name: string(binary, words.word(entry, 8)?)?,
            });
            entry_at = entry_at.checked_add(words.word(entry, 12)?.into())?;
        }
        at = at.checked_add(next.into())?;
    }
    Some(())
}

/// DT_VERDEF; `None` when it is damaged. The base version counts: its index is 1.
fn definitions(binary: &Binary, look: &mut impl FnMut(Record)) -> Option<()> {
    let words = binary.words();
    let Some(mut at) = binary.dynamic_value(tag::VERDEF) else {
        return Some(());
    };
    for _ in 0..binary.dynamic_value(tag::VERDEFNUM)?.min(MOST) {
        let record = binary.at(at, 20)?;
        let name = binary.at(at.checked_add(words.word(record, 12)?.into())?, 8)?;
        look(Record {
            hash: words.word(record, 8)?,
            index: words.half(record, 4)? & !HIDDEN,
            name: string(binary, words.word(name, 0)?)?,
        });
        at = at.checked_add(words.word(record, 16)?.into())?;
    }
    Some(())
}

fn symbol_indices(binary: &Binary, known: &BTreeMap<u16, String>, findings: &mut Findings) {
    let count = binary.symbols.len() as u64;
    let Some(table) = binary
        .dynamic_value(tag::VERSYM)
        .and_then(|at| binary.at(at, count.checked_mul(2)?))
    else {
        return;
    };
    for (number, symbol) in (0..).zip(&binary.symbols) {
        let index = binary.words().half(table, number * 2).unwrap_or_default() & !HIDDEN;
        // 0 is local, 1 the file's own names without a version.
        findings.add_if(
            index > 1 && !known.contains_key(&index),
            Code::VersionUnknown,
            format!("{}, index {index}", symbol.name),
        );
    }
}
