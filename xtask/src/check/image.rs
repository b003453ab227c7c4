//! The form of the built loader: what makes it able to relocate itself before its first Rust instruction,
//! and what it must not ask of anybody.

use anyhow::{Context, Result};
use object::LittleEndian;
use object::elf::*;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};

use crate::build::SIZE_LIMIT;

/// Sections that must be read-only once the loader has relocated itself.
const RELRO_SECTIONS: &[&[u8]] = &[b".data.rel.ro", b".dynamic", b".got"];

/// Size in bytes of the DT_RELR table (gABI, "Relative Relocation Table"), which `object` does not name.
const DT_RELRSZ: u32 = 35;

/// Dynamic tags that count bytes of a relocation table that the entry code does not read.
const OTHER_RELOCATIONS: &[(u32, &str)] = &[
    (DT_RELASZ, "DT_RELASZ"),
    (DT_RELSZ, "DT_RELSZ"),
    (DT_PLTRELSZ, "DT_PLTRELSZ"),
];

/// Functions that valgrind looks for by name. No reference may find them, so their version is not the default one.
const FOR_VALGRIND: &[&str] = &["strlen", "index"];

/// Probes of the provider `rtld` without which gdb does not take its interface of probes.
const PROBES: &[&str] = &[
    "init_start",
    "init_complete",
    "map_start",
    "map_failed",
    "reloc_complete",
    "unmap_start",
    "unmap_complete",
];

/// Lists what is wrong with the loader `bytes`. `exports` is its version script, which names what may be exported.
///
/// # Errors
/// The file cannot be read as a 64-bit little-endian ELF file.
pub fn examine(bytes: &[u8], exports: &str) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            findings.push(what.to_owned());
        }
    };
    let header = FileHeader64::<LittleEndian>::parse(bytes).context("not an ELF file")?;
    let endian = header.endian()?;
    expect(header.e_type(endian) == ET_DYN, "it is not ET_DYN");
    expect(
        bytes.len() as u64 <= SIZE_LIMIT,
        &format!("{} bytes exceed {SIZE_LIMIT}", bytes.len()),
    );

    let segments = header.program_headers(endian, bytes)?;
    let of_type = |kind| segments.iter().find(|segment| segment.p_type(endian) == kind);
    expect(of_type(PT_INTERP).is_none(), "it names an interpreter");
    expect(of_type(PT_TLS).is_none(), "it has a TLS segment");
    for segment in segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD) {
        let both = PF_W | PF_X;
        expect(
            segment.p_flags(endian) & both != both,
            "a segment is writable and executable",
        );
    }
    match of_type(PT_GNU_STACK) {
        None => expect(false, "no PT_GNU_STACK: an executable stack"),
        Some(stack) => expect(stack.p_flags(endian) & PF_X == 0, "it asks for an executable stack"),
    }

    let sections = header.sections(endian, bytes)?;
    let relro = of_type(PT_GNU_RELRO).map(|segment| {
        let start = segment.p_vaddr(endian);
        start..start.saturating_add(segment.p_memsz(endian))
    });
    expect(relro.is_some(), "no PT_GNU_RELRO");
    let relro = relro.unwrap_or_default();
    let mut has_eh_frame = false;
    let mut notes: &[u8] = &[];
    for section in sections.iter() {
        let name = sections.section_name(endian, section)?;
        let shown = String::from_utf8_lossy(name);
        let size = section.sh_size(endian);
        has_eh_frame |= name == b".eh_frame" && size > 0;
        if name == b".note.stapsdt" {
            notes = section.data(endian, bytes)?;
        }
        if matches!(section.sh_type(endian), SHT_REL | SHT_RELA) {
            expect(size == 0, &format!("{shown} holds relocations; only .relr.dyn may"));
        }
        if size > 0 && RELRO_SECTIONS.contains(&name) {
            let start = section.sh_addr(endian);
            let inside = relro.start <= start && start.saturating_add(size) <= relro.end;
            expect(inside, &format!("{shown} lies outside PT_GNU_RELRO"));
        }
    }
    expect(has_eh_frame, "no .eh_frame: nobody can unwind through it");
    let has_base = sections.section_by_name(endian, b".stapsdt.base").is_some();
    for probe in PROBES {
        let note = format!("rtld\0{probe}\0");
        let noted = notes.windows(note.len()).any(|window| window == note.as_bytes());
        expect(has_base && noted, &format!("the probe {probe} is not noted"));
    }

    let dynamic = of_type(PT_DYNAMIC).context("no PT_DYNAMIC")?;
    let entries = dynamic.dynamic(endian, bytes)?.context("PT_DYNAMIC is empty")?;
    let value = |tag: u32| {
        entries
            .iter()
            .find(|entry| entry.tag32(endian) == Some(tag))
            .map(|entry| entry.d_val(endian))
    };
    expect(value(DT_NEEDED).is_none(), "it needs a library");
    for (tag, name) in OTHER_RELOCATIONS {
        expect(
            value(*tag).unwrap_or(0) == 0,
            &format!("{name} is not 0; only DT_RELR may be there"),
        );
    }
    expect(value(DT_TEXTREL).is_none(), "DT_TEXTREL");
    expect(
        value(DT_FLAGS_1).unwrap_or(0) & u64::from(DF_1_PIE) == 0,
        "DF_1_PIE: GNU ld would refuse it as an input",
    );

    let symbols = sections.symbols(endian, bytes, SHT_DYNSYM)?;
    expect(!symbols.is_empty(), "no dynamic symbols");
    let versions = sections.versions(endian, bytes)?.unwrap_or_default();
    let mut replaceable = Vec::new();
    for (index, symbol) in symbols.enumerate().skip(1) {
        let name = String::from_utf8_lossy(symbol.name(endian, symbols.strings())?).into_owned();
        if symbol.st_shndx(endian) == SHN_UNDEF {
            expect(false, &format!("it asks for the symbol {name}"));
        } else if symbol.st_type() == STT_FUNC && versions.version_index(endian, index).is_hidden() {
            replaceable.push(name);
        } else if symbol.st_shndx(endian) != SHN_ABS && !names_symbol(exports, &name) {
            expect(
                false,
                &format!("it exports {name}, which loader/exports.map does not name"),
            );
        }
    }
    replaceable.sort_unstable_by(|one, other| other.cmp(one));
    expect(
        replaceable == FOR_VALGRIND,
        &format!("valgrind wants {FOR_VALGRIND:?} of a version that is not the default; there are {replaceable:?}"),
    );
    // The walk of DT_RELR is the one thing that the entry code does: without one, nothing was tested.
    let relr = value(DT_RELRSZ).unwrap_or(0);
    expect(relr > 0, "no DT_RELR table");
    Ok(findings)
}

/// Whether a version script has `name;` on a line of its own.
fn names_symbol(script: &str, name: &str) -> bool {
    script.lines().any(|line| line.trim().strip_suffix(';') == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_program_breaks_the_rules() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let findings = examine(&own, "").unwrap();
        for expected in ["it names an interpreter", "it needs a library", "it has a TLS segment"] {
            assert!(
                findings.iter().any(|finding| finding == expected),
                "{expected}: {findings:?}"
            );
        }
        assert!(findings.iter().any(|finding| finding.contains("holds relocations")));
        assert!(findings.iter().any(|finding| finding.contains("asks for the symbol")));
    }

    #[test]
    fn a_version_script_names_whole_symbols() {
        assert!(names_symbol("  global:\n    _r_debug;\n", "_r_debug"));
        assert!(!names_symbol("    _r_debug;\n", "debug"));
    }
}
