//! The dynamic section (W02).

use std::collections::BTreeSet;

use lode::elf::dynamic::{Flags, Flags1, tag};

use super::{Code, Findings};
use crate::elf::Binary;

/// Tags whose meaning depends on the machine.
const OF_THE_MACHINE: std::ops::RangeInclusive<u64> = 0x7000_0000..=0x7fff_ffff;

/// Tags that may stand more than once.
const MANY: &[u64] = &[tag::NEEDED, tag::AUXILIARY, tag::FILTER];

/// Looks at them.
pub fn look(binary: &Binary, findings: &mut Findings) {
    if binary.dynamic.is_empty() {
        return;
    }
    let mut seen = BTreeSet::new();
    for (tag, value) in &binary.dynamic {
        findings.add_if(
            !tag::is_known(*tag) && !OF_THE_MACHINE.contains(tag),
            Code::UnknownTag,
            format!("{tag:#x} with the value {value:#x}"),
        );
        let name = || tag::name(*tag).map_or_else(|| format!("{tag:#x}"), str::to_owned);
        findings.add_if(!seen.insert(*tag) && !MANY.contains(tag), Code::TagTwice, name());
        let unknown = match *tag {
            tag::FLAGS => value & !Flags::all().bits(),
            tag::FLAGS_1 => value & !Flags1::all().bits(),
            _ => 0,
        };
        findings.add_if(unknown != 0, Code::UnknownFlag, format!("{unknown:#x} in {}", name()));
    }
    let has = |tag: u64| seen.contains(&tag);
    let text = has(tag::TEXTREL) || binary.dynamic_value(tag::FLAGS).unwrap_or_default() & Flags::TEXTREL.bits() != 0;
    let is_program = binary.is_program();
    for (is_case, code) in [
        (!has(tag::HASH), Code::NoHash),
        (!has(tag::GNU_HASH), Code::NoGnuHash),
        (has(tag::RPATH), Code::Rpath),
        (!has(tag::SONAME) && !is_program, Code::NoSoname),
        (is_program && !has(tag::SONAME) && !has(tag::DEBUG), Code::NoDebug),
        (text, Code::TextRelocationsAsked),
    ] {
        findings.add_if(is_case, code, "");
    }
}
