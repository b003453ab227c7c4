//! Headers and segments (W01).

use lode::elf::segment::{kind, kind_name};

use super::{Code, Findings};
use crate::elf::{Binary, PT_DYNAMIC, PT_LOAD, Segment};
use crate::relocations::Relocations;

/// `PF_X`, `PF_W`, `PF_R`
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const ALL: u32 = 7;

/// The smallest page of the machines.
const PAGE: u64 = 4096;

/// Segment types of a machine's supplement, which loaders for others may pass over.
const OF_THE_MACHINE: std::ops::RangeInclusive<u32> = 0x7000_0000..=0x7fff_ffff;

/// Looks at them.
pub fn look(binary: &Binary, findings: &mut Findings) {
    let padding = binary.bytes.get(9..16).unwrap_or_default();
    let first = padding.iter().position(|byte| *byte != 0);
    findings.add_if(
        first.is_some(),
        Code::Padding,
        format!("byte {}", 9 + first.unwrap_or_default()),
    );
    for (index, segment) in binary.segments.iter().enumerate() {
        look_at_one(index, segment, findings);
    }
    let has = |kind: u32| binary.segments.iter().any(|segment| segment.kind == kind);
    findings.add_if(!has(kind::GNU_STACK), Code::StackSilent, "");
    findings.add_if(binary.build_id.is_none(), Code::NoBuildId, "");
    let relocations = Relocations::of(binary);
    findings.add_if(
        !has(kind::GNU_RELRO) && !relocations.all.is_empty(),
        Code::RelroMissing,
        format!("{} relocations", relocations.all.len()),
    );
    for damage in binary.damage.iter().chain(&relocations.damage) {
        findings.add(Code::Damage, damage);
    }
    sections(binary, findings);
}

fn look_at_one(index: usize, segment: &Segment, findings: &mut Findings) {
    let place = format!("segment {index}");
    let known = kind_name(segment.kind).is_some() || OF_THE_MACHINE.contains(&segment.kind);
    findings.add_if(
        !known,
        Code::UnknownSegment,
        format!("{place}, type {:#x}", segment.kind),
    );
    findings.add_if(
        segment.flags & !ALL != 0,
        Code::SegmentFlags,
        format!("{place}, flags {:#x}", segment.flags),
    );
    let end = segment.address.wrapping_add(segment.memory_size);
    match segment.kind {
        PT_LOAD => {
            let both = EXECUTE | WRITE;
            findings.add_if(
                segment.flags & both == both,
                Code::WritableExecutable,
                format!("{place} at {:#x}", segment.address),
            );
            let difference = segment.address.wrapping_sub(segment.offset);
            findings.add_if(
                segment.align.is_power_of_two()
                    && difference & (segment.align - 1) != 0
                    && difference.is_multiple_of(PAGE),
                Code::Congruence,
                format!("{place}, p_align {:#x}", segment.align),
            );
        }
        kind::GNU_STACK => findings.add_if(segment.flags & EXECUTE != 0, Code::ExecutableStack, ""),
        kind::GNU_RELRO => findings.add_if(
            !end.is_multiple_of(PAGE),
            Code::RelroEnd,
            format!("it ends at {end:#x}"),
        ),
        _ => {}
    }
}

/// Section headers are for linkers and debuggers, program headers for loaders; both say where the dynamic section is.
fn sections(binary: &Binary, findings: &mut Findings) {
    /// `SHT_DYNAMIC`
    const DYNAMIC: u32 = 6;
    let segment = binary.segments.iter().find(|segment| segment.kind == PT_DYNAMIC);
    let section = binary.sections.iter().find(|section| section.kind == DYNAMIC);
    if let (Some(segment), Some(section)) = (segment, section) {
        findings.add_if(
            segment.address != section.address,
            Code::SectionsDiffer,
            format!(
                "PT_DYNAMIC is at {:#x}, the section {} at {:#x}",
                segment.address, section.name, section.address
            ),
        );
    }
}
