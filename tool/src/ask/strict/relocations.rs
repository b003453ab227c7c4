//! Relocations (W03).

use lode::arch::{Ask, Field};
use lode::elf::dynamic::tag;

use super::{Code, Findings};
use crate::elf::{Binary, EM_386};
use crate::relocations::formats::{Relative, relr};
use crate::relocations::{Form, Relocation, Relocations, target};

/// `EM_ARM`, which like i386 has its addends at the places.
const EM_ARM: u16 = 40;

/// Looks at them.
pub fn look(binary: &Binary, findings: &mut Findings) {
    let relocations = Relocations::of(binary);
    let machine = binary.header.machine;
    for relocation in &relocations.all {
        look_at_one(binary, relocation, relocation.ask(machine), findings);
    }
    overlaps(binary, &relocations, findings);
    counts(binary, &relocations, findings);
    packed(binary, &relocations, findings);
    forms(binary, &relocations, findings);
}

fn look_at_one(binary: &Binary, relocation: &Relocation, ask: Option<Ask>, findings: &mut Findings) {
    /// `PF_W`
    const WRITE: u32 = 2;
    let machine = binary.header.machine;
    let at = || format!("{} at {:#x}", relocation.name(machine), relocation.place);
    match ask {
        None => return findings.add(Code::UnknownRelocation, at()),
        Some(Ask::Nothing) => return findings.add(Code::RelocationOfNothing, at()),
        Some(Ask::Value {
            field: Field::Signed32,
            pc_relative: true,
            ..
        }) => findings.add(Code::ShortDistance, at()),
        Some(Ask::Relative) => {
            findings.add_if(relocation.symbol != 0, Code::RelativeToSymbol, at());
            relative_target(binary, relocation, findings);
        }
        _ => {}
    }
    let size = width(binary, ask);
    findings.add_if(!relocation.place.is_multiple_of(size), Code::Unaligned, at());
    let writable = |segment: &crate::elf::Segment| segment.flags & WRITE != 0;
    let segment = binary.loads().find(|segment| segment.spans(relocation.place));
    findings.add_if(
        segment.is_some_and(|segment| !writable(segment)),
        Code::ReadOnly,
        format!("{}{}", at(), in_section(binary, relocation.place)),
    );
}

fn in_section(binary: &Binary, place: u64) -> String {
    let section = binary.section_at(place);
    section.map_or_else(String::new, |section| format!(" in {}", section.name))
}

/// Bytes that are written.
fn width(binary: &Binary, ask: Option<Ask>) -> u64 {
    match ask {
        Some(Ask::Value { field, .. } | Ask::Size(field) | Ask::TlsModuleOffset(field) | Ask::ThreadOffset(field)) => {
            field.size()
        }
        // How much is copied the symbol says; alignment does not matter to a copy.
        Some(Ask::Copy) => 1,
        _ => binary.words().size(),
    }
}

/// A relative relocation makes an address of this file; one past its end is usual (the end of an array).
fn relative_target(binary: &Binary, relocation: &Relocation, findings: &mut Findings) {
    let size = binary.words().size();
    let stored = || binary.words().address(binary.at(relocation.place, size)?, 0);
    let Some(address) = relocation.addend.or_else(stored) else {
        return;
    };
    let inside = binary
        .loads()
        .any(|segment| segment.spans(address) || address == segment.address.wrapping_add(segment.memory_size));
    findings.add_if(
        !inside,
        Code::RelativeOutside,
        format!("{address:#x}, at {:#x}", relocation.place),
    );
}

/// Two relocations of the same bytes: what comes out depends on the order.
fn overlaps(binary: &Binary, relocations: &Relocations, findings: &mut Findings) {
    let machine = binary.header.machine;
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for relocation in &relocations.all {
        let ask = relocation.ask(machine);
        if !matches!(ask, None | Some(Ask::Nothing)) {
            ranges.push((relocation.place, width(binary, ask)));
        }
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        if let [(first, size), (second, _)] = pair {
            findings.add_if(
                second - first < *size,
                Code::Overlap,
                format!("{first:#x} and {second:#x}"),
            );
        }
    }
}

/// What DT_RELACOUNT and DT_RELCOUNT promise.
fn counts(binary: &Binary, relocations: &Relocations, findings: &mut Findings) {
    let machine = binary.header.machine;
    for (form, count_tag) in [(Form::Rela, tag::RELACOUNT), (Form::Rel, tag::RELCOUNT)] {
        let table: Vec<bool> = relocations
            .all
            .iter()
            .filter(|one| one.form == form)
            .map(|one| one.ask(machine) == Some(Ask::Relative))
            .collect();
        let leading = table.iter().take_while(|is_relative| **is_relative).count();
        let all = table.iter().filter(|is_relative| **is_relative).count();
        let said = binary.dynamic_value(count_tag);
        findings.add_if(
            said.is_some_and(|said| said != leading as u64),
            Code::RelativeCount,
            format!(
                "it says {}, and the first {leading} are relative",
                said.unwrap_or_default()
            ),
        );
        findings.add_if(
            all > leading,
            Code::RelativeLate,
            format!("{leading} of {all} stand at the start"),
        );
    }
}

/// Whether RELR holds all that it can, in as few words as it can.
fn packed(binary: &Binary, relocations: &Relocations, findings: &mut Findings) {
    let Some(table) = relocations.tables.iter().find(|table| table.form == Form::Relr) else {
        return;
    };
    let Some(target) = target(binary) else { return };
    let machine = binary.header.machine;
    for relocation in &relocations.all {
        findings.add_if(
            relocation.form != Form::Relr
                && relocation.ask(machine) == Some(Ask::Relative)
                && relocation.place.is_multiple_of(2),
            Code::NotInRelr,
            format!("{} at {:#x}", relocation.name(machine), relocation.place),
        );
    }
    let places = relocations.all.iter().filter(|one| one.form == Form::Relr);
    let mut places: Vec<Relative> = places
        .map(|one| Relative {
            place: one.place,
            addend: 0,
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    let shortest = (relr::FORMAT.encode)(&places, &target).bytes.len() as u64;
    findings.add_if(
        shortest < table.size,
        Code::LongRelr,
        format!("{} bytes, {shortest} would do", table.size),
    );
}

/// Whether the tables are where, and what, they usually are.
fn forms(binary: &Binary, relocations: &Relocations, findings: &mut Findings) {
    let has_addends_at_places = matches!(binary.header.machine, EM_386 | EM_ARM);
    let other = if has_addends_at_places { Form::Rela } else { Form::Rel };
    let table = relocations.tables.iter().find(|table| table.form == other);
    findings.add_if(
        table.is_some(),
        Code::OtherForm,
        format!("{} relocations", table.map_or(0, |table| table.count)),
    );
    let range = |at: u64, size: u64| {
        let (at, size) = (binary.dynamic_value(at)?, binary.dynamic_value(size)?);
        Some((at, at.saturating_add(size)))
    };
    let Some((start, end)) = range(tag::JMPREL, tag::PLTRELSZ).filter(|(start, end)| start < end) else {
        return;
    };
    for table in [range(tag::RELA, tag::RELASZ), range(tag::REL, tag::RELSZ)]
        .into_iter()
        .flatten()
    {
        findings.add_if(
            start < table.1 && table.0 < end,
            Code::PltInside,
            format!("{start:#x} to {end:#x}, inside {:#x} to {:#x}", table.0, table.1),
        );
    }
}
