//! The rules by which other loaders decide, with the source of each: their code, or an experiment.
//!
//! A loader's rules stand in the order in which it checks, because what comes first ends a start.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::Loader::{Bionic, FreeBsdBeforeRelr, Glibc, GlibcBeforeRelr, MuslBeforeRelr};
use super::facts::Facts;
use super::{Loader, Outcome};
use crate::elf::{EM_386, EM_X86_64};
use crate::report::Answer;

/// A rule.
pub struct Rule {
    /// Whose it is
    pub loaders: &'static [Loader],
    /// What happens
    pub outcome: Outcome,
    /// Why, as a sentence
    pub why: &'static str,
    /// What is said; `{file}` is the file and `{}` the detail
    pub words: &'static str,
    /// How that is known
    pub source: &'static str,
    /// Whether it applies, and the detail
    pub applies: fn(&Facts, Loader) -> Option<String>,
}

const GLIBCS: &[Loader] = &[GlibcBeforeRelr, Glibc];
const BOTH: &[Loader] = &[GlibcBeforeRelr, Glibc, MuslBeforeRelr];

/// The highest EI_ABIVERSION under the OS ABI GNU in glibc.
const GLIBC_GNU_VERSION: u8 = 3;

/// All rules.
pub const RULES: &[Rule] = &[
    Rule {
        loaders: BOTH,
        outcome: Outcome::Refuse,
        why: "the kernel starts a program only if e_type is ET_EXEC or ET_DYN and e_phentsize that of its class; what says no is execve",
        words: "Exec format error",
        source: "experiment with Linux 6; fs/binfmt_elf.c",
        applies: |facts, _| is(facts.is_program && !(facts.stated.is_loadable() && facts.stated.has_usual_entries())),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "EI_CLASS is not its own; also a class that does not exist is called 32-bit",
        words: "{file}: wrong ELF class: ELFCLASS32",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify",
        applies: |facts, _| library(facts).and_then(|facts| is(differs(facts.stated.class))),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "EI_DATA is not its own",
        words: "{file}: ELF file data encoding not {}",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify",
        applies: |facts, _| {
            let library = library(facts).filter(|facts| differs(facts.stated.data))?;
            let own = if library.stated.data.1 == 1 {
                "little-endian"
            } else {
                "big-endian"
            };
            Some(own.to_owned())
        },
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "EI_VERSION is not 1",
        words: "{file}: ELF file version ident does not match current one",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify",
        applies: |facts, _| library(facts).and_then(|facts| is(facts.stated.identity_version != 1)),
    },
    Rule {
        loaders: &[FreeBsdBeforeRelr],
        outcome: Outcome::Refuse,
        why: "EI_CLASS or EI_DATA is not its own",
        words: "{file}: unsupported file layout",
        source: "FreeBSD, libexec/rtld-elf/map_object.c, get_elf_header",
        applies: |facts, _| is(differs(facts.stated.class) || differs(facts.stated.data)),
    },
    Rule {
        loaders: &[FreeBsdBeforeRelr],
        outcome: Outcome::Refuse,
        why: "EI_VERSION or e_version is not 1",
        words: "{file}: unsupported file version",
        source: "FreeBSD, libexec/rtld-elf/map_object.c, get_elf_header",
        applies: |facts, _| is((facts.stated.identity_version, facts.stated.version) != (1, 1)),
    },
    Rule {
        loaders: &[FreeBsdBeforeRelr],
        outcome: Outcome::Refuse,
        why: "e_type is neither ET_EXEC nor ET_DYN",
        words: "{file}: unsupported file type",
        source: "FreeBSD, libexec/rtld-elf/map_object.c, get_elf_header",
        applies: |facts, _| is(!facts.stated.is_loadable()),
    },
    Rule {
        loaders: &[FreeBsdBeforeRelr],
        outcome: Outcome::Refuse,
        why: "e_phentsize is not that of its class",
        words: "{file}: invalid shared object: e_phentsize != sizeof(Elf_Phdr)",
        source: "FreeBSD, libexec/rtld-elf/map_object.c, get_elf_header",
        applies: |facts, _| is(!facts.stated.has_usual_entries()),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "EI_CLASS is not its own",
        words: "\"{file}\" has unknown ELF class: {}",
        source: "bionic, linker/linker_phdr.cpp, VerifyElfHeader (the words differ between releases)",
        applies: |facts, _| differs(facts.stated.class).then(|| facts.stated.class.0.to_string()),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "EI_DATA is not its own",
        words: "\"{file}\" not little-endian: {}",
        source: "bionic, linker/linker_phdr.cpp, VerifyElfHeader",
        applies: |facts, _| (facts.stated.data.0 != 1).then(|| facts.stated.data.0.to_string()),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "e_type is not ET_DYN",
        words: "\"{file}\" has unexpected e_type: {}",
        source: "bionic, linker/linker_phdr.cpp, VerifyElfHeader",
        applies: |facts, _| (!facts.stated.is_loadable()).then(|| facts.stated.kind.to_string()),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "e_version is not 1",
        words: "\"{file}\" has unexpected e_version: {}",
        source: "bionic, linker/linker_phdr.cpp, VerifyElfHeader",
        applies: |facts, _| (facts.stated.version != 1).then(|| facts.stated.version.to_string()),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Load,
        why: "the EI_OSABI or EI_ABIVERSION of a program is looked at only when the loader is run as a command, and then refused",
        words: "",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify, which the kernel's mapping goes past",
        applies: |facts, _| is(facts.is_program && strange_abi(facts).is_some()),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "EI_OSABI is neither 0 nor GNU, or EI_ABIVERSION is above what it knows",
        words: "{file}: {}",
        source: "elf/dl-load.c, open_verify; libc-abis",
        applies: |facts, _| strange_abi(facts).filter(|_| !facts.is_program).map(str::to_owned),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "the bytes of e_ident that have no meaning are not zeros",
        words: "{file}: nonzero padding in e_ident",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify",
        applies: |facts, _| library(facts).and_then(|facts| is(!facts.stated.is_padded_with_zeros)),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "e_version is not 1",
        words: "{file}: ELF file version does not match current one",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify",
        applies: |facts, _| library(facts).and_then(|facts| is(facts.stated.version != 1)),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "e_type is neither ET_EXEC nor ET_DYN",
        words: "{file}: only ET_DYN and ET_EXEC can be loaded",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify",
        applies: |facts, _| library(facts).and_then(|facts| is(!facts.stated.is_loadable())),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Refuse,
        why: "e_phentsize is not that of its class",
        words: "{file}: ELF file's phentsize not the expected size",
        source: "experiment with glibc 2.36; elf/dl-load.c, open_verify",
        applies: |facts, _| library(facts).and_then(|facts| is(!facts.stated.has_usual_entries())),
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Refuse,
        why: "e_type is neither ET_EXEC nor ET_DYN, or e_phentsize is 0",
        words: "Exec format error",
        source: "experiment with musl 1.2.3; ldso/dynlink.c, map_library",
        applies: |facts, _| {
            library(facts).and_then(|facts| is(!facts.stated.is_loadable() || facts.stated.entry_size == 0))
        },
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Fault,
        why: "e_phentsize is believed, whatever it is, so that other bytes are taken for program headers",
        words: "",
        source: "experiment with musl 1.2.3; ldso/dynlink.c, map_library",
        applies: |facts, _| {
            library(facts).and_then(|facts| {
                (!facts.stated.has_usual_entries()).then(|| format!("e_phentsize {}", facts.stated.entry_size))
            })
        },
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Load,
        why: "EI_CLASS, EI_DATA, EI_VERSION and e_version are not looked at",
        words: "",
        source: "experiment with musl 1.2.3; ldso/dynlink.c, map_library",
        applies: |facts, _| is(is_strange(facts)),
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Load,
        why: "neither the kernel nor the loader looks at EI_CLASS, EI_DATA, EI_VERSION or e_version of a program",
        words: "",
        source: "experiment with Linux 6 and glibc 2.36",
        applies: |facts, _| is(facts.is_program && is_strange(facts)),
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Load,
        why: "EI_OSABI and EI_ABIVERSION are not looked at",
        words: "",
        source: "experiment with musl 1.2.3; ldso/dynlink.c, map_library",
        applies: |facts, _| is(facts.osabi != 0 || facts.abi_version != 0),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "only position-independent programs are started",
        words: "\"{file}\": error: Android only supports position-independent executables (-fPIE)",
        source: "bionic, linker/linker_main.cpp (since Android 5.0; the words differ between releases)",
        applies: |facts, _| is(facts.is_fixed),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "a segment is writable and executable",
        words: "\"{file}\": W+E load segments are not allowed",
        source: "bionic, linker/linker_phdr.cpp (for apps of API level 26 and up)",
        applies: |facts, _| facts.writable_and_executable.clone(),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "text relocations are not allowed",
        words: "\"{file}\" has text relocations",
        source: "bionic, linker/linker.cpp (64-bit always; 32-bit for apps of API level 23 and up)",
        applies: |facts, _| is(facts.says_text_relocations),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "DT_REL is not taken on 64-bit machines",
        words: "unsupported DT_REL in \"{file}\"",
        source: "bionic, linker/linker.cpp, prelink_image",
        applies: |facts, _| is(facts.is_64_bit && facts.rel != 0),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "one of DT_HASH and DT_GNU_HASH has to be there",
        words: "empty/missing DT_HASH/DT_GNU_HASH in \"{file}\" (new hash type from the future?)",
        source: "bionic, linker/linker.cpp, prelink_image",
        applies: |facts, _| is(!facts.has_hash && !facts.has_gnu_hash),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "glibc's libraries are not there under these names",
        words: "library \"{}\" not found: needed by {file}",
        source: "bionic's libraries are libc.so, libm.so, libdl.so",
        applies: |facts, _| glibc_library(facts),
    },
    Rule {
        loaders: &[Bionic],
        outcome: Outcome::Refuse,
        why: "data is not copied out of libraries",
        words: "COPY relocations are not supported in \"{file}\"",
        source: "bionic, linker/linker_relocate.cpp (the words differ between releases)",
        applies: |facts, _| is(facts.has_copies),
    },
    Rule {
        loaders: BOTH,
        outcome: Outcome::Fault,
        why: "the file ends before its segments do, and the first access behind its end is SIGBUS",
        words: "",
        source: "experiment with glibc 2.36 and musl 1.2.3",
        applies: |facts, _| facts.missing_bytes.clone(),
    },
    Rule {
        loaders: &[GlibcBeforeRelr],
        outcome: Outcome::Refuse,
        why: "the file says that it needs a glibc that knows RELR",
        words: "version `{}' not found (required by {file})",
        source: "elf/dl-version.c; the marker came with glibc 2.36",
        applies: |facts, _| {
            let marker = "GLIBC_ABI_DT_RELR";
            facts.requires(marker).then(|| marker.to_owned())
        },
    },
    Rule {
        loaders: &[GlibcBeforeRelr],
        outcome: Outcome::Refuse,
        why: "it needs a newer glibc",
        words: "version `{}' not found (required by {file})",
        source: "elf/dl-version.c",
        applies: |facts, _| facts.newer_glibc(36),
    },
    Rule {
        loaders: &[Glibc],
        outcome: Outcome::Refuse,
        why: "RELR is there without the version GLIBC_ABI_DT_RELR, which would keep older glibcs from the file (the lock-out)",
        words: "{file}: DT_RELR without GLIBC_ABI_DT_RELR dependency",
        source: "elf/dl-version.c since glibc 2.36: for files that require versions of libc.so",
        applies: |facts, _| {
            let marked = facts.requires("GLIBC_ABI_DT_RELR");
            is(facts.relr != 0 && facts.requires_of("libc.so.") && !marked)
        },
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Load,
        why: "versions are not checked",
        words: "",
        source: "experiment with musl 1.2.3; ldso/dynlink.c",
        applies: |facts, _| is(!facts.versions.is_empty()),
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Refuse,
        why: "the checked functions of _FORTIFY_SOURCE are glibc's alone",
        words: "Error relocating {file}: {}: symbol not found",
        source: "musl's exported symbols; ldso/dynlink.c, do_relocs",
        applies: |facts, _| facts.fortified.first().cloned(),
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Refuse,
        why: "a relocation that it does not know",
        words: "Error relocating {file}: unsupported relocation type {}",
        source: "experiment with musl 1.2.3; ldso/dynlink.c, do_relocs, and arch/*/reloc.h: no IRELATIVE on any machine",
        applies: |facts, _| unknown_to_musl(facts),
    },
    Rule {
        loaders: &[GlibcBeforeRelr, MuslBeforeRelr, FreeBsdBeforeRelr],
        outcome: Outcome::Fault,
        why: "DT_RELR is not known and passed over, so that pointers stay without the load bias",
        words: "",
        source: "experiment with musl 1.2.3 and glibc 2.31; FreeBSD: reviews.freebsd.org/D32524 added it",
        applies: |facts, _| (facts.relr != 0 && !facts.is_fixed).then(|| format!("{} places", facts.relr)),
    },
    Rule {
        loaders: &[GlibcBeforeRelr, Glibc, MuslBeforeRelr, FreeBsdBeforeRelr],
        outcome: Outcome::Fault,
        why: "Android's tags for RELR and packed relocations are not known and passed over, so that words stay unrelocated",
        words: "",
        source: "experiment with glibc 2.36 and musl 1.2.3",
        applies: |facts, _| {
            let count = facts.packed + facts.android_relr;
            (count != 0).then(|| format!("{count} relocations"))
        },
    },
    Rule {
        loaders: &[GlibcBeforeRelr, Glibc, FreeBsdBeforeRelr],
        outcome: Outcome::Fault,
        why: "DT_REL is passed over on this machine, so that words stay unrelocated",
        words: "",
        source: "experiment with glibc 2.36 (ELF_MACHINE_NO_REL); FreeBSD: libexec/rtld-elf/amd64/reloc.c",
        applies: |facts, _| {
            let count = facts.rel;
            (facts.machine == EM_X86_64 && count != 0).then(|| format!("{count} relocations"))
        },
    },
    Rule {
        loaders: &[GlibcBeforeRelr, Glibc],
        outcome: Outcome::Refuse,
        why: "DT_RELACOUNT counts relocations that are not relative",
        words: "elf_machine_rela_relative: Assertion `",
        source: "experiment with glibc 2.36 and 2.31; sysdeps/x86_64/dl-machine.h",
        applies: |facts, _| is(facts.machine == EM_X86_64 && facts.counts_too_many),
    },
    Rule {
        loaders: &[GlibcBeforeRelr, Glibc],
        outcome: Outcome::Refuse,
        why: "a relocation that it does not know",
        words: "unexpected reloc type {}",
        source: "elf/dl-reloc.c, _dl_reloc_bad_type; sysdeps/x86_64/dl-machine.h",
        applies: |facts, _| unknown_to_glibc(facts),
    },
    Rule {
        loaders: BOTH,
        outcome: Outcome::Fault,
        why: "a relocation writes into a segment that is not writable, and DT_TEXTREL does not announce it",
        words: "",
        source: "experiment with glibc 2.36 and musl 1.2.3",
        applies: |facts, _| facts.text_relocation.clone().filter(|_| !facts.says_text_relocations),
    },
    Rule {
        loaders: &[Bionic, FreeBsdBeforeRelr],
        outcome: Outcome::Fault,
        why: "a relocation writes into a segment that is not writable, and DT_TEXTREL does not announce it",
        words: "",
        source: "bionic, linker/linker.cpp; FreeBSD, libexec/rtld-elf: only DT_TEXTREL makes segments writable",
        applies: |facts, _| facts.text_relocation.clone().filter(|_| !facts.says_text_relocations),
    },
    Rule {
        loaders: &[MuslBeforeRelr],
        outcome: Outcome::Fault,
        why: "text relocations are applied in libraries only: the pages of a program, which the kernel mapped, stay read-only",
        words: "",
        source: "experiment with musl 1.2.3; ldso/dynlink.c, map_library looks for DT_TEXTREL, and a program does not pass it",
        applies: |facts, _| {
            let announced = facts.says_text_relocations && facts.is_program;
            facts.text_relocation.clone().filter(|_| announced)
        },
    },
    Rule {
        loaders: BOTH,
        outcome: Outcome::Load,
        why: "text relocations are applied: the pages become writable for a while, and are the process's own",
        words: "",
        source: "elf/dl-reloc.c; musl, ldso/dynlink.c (writable and executable at once)",
        applies: |facts, loader| {
            let not_by_musl = loader == MuslBeforeRelr && facts.is_program;
            facts
                .text_relocation
                .clone()
                .filter(|_| facts.says_text_relocations && !not_by_musl)
        },
    },
    Rule {
        loaders: GLIBCS,
        outcome: Outcome::Load,
        why: "the stack becomes executable for all threads; since 2.41 dlopen refuses such a library",
        words: "",
        source: "elf/dl-load.c; NEWS of glibc 2.41",
        applies: |facts, _| is(facts.wants_executable_stack),
    },
];

/// A file that the loader opens itself, of which it looks at more than of the program that the kernel has mapped.
fn library(facts: &Facts) -> Option<&Facts> {
    Some(facts).filter(|facts| !facts.is_program)
}

/// Whether the header says something else than the rest of the file shows.
fn differs((stated, shown): (u8, u8)) -> bool {
    stated != shown
}

/// Whether the identity or e_version is none that exists, or not the file's.
fn is_strange(facts: &Facts) -> bool {
    let stated = &facts.stated;
    differs(stated.class) || differs(stated.data) || (stated.identity_version, stated.version) != (1, 1)
}

/// An empty detail.
fn is(applies: bool) -> Option<String> {
    applies.then(String::new)
}

/// What glibc says of an OS ABI or a version of it that it does not take.
fn strange_abi(facts: &Facts) -> Option<&'static str> {
    match (facts.osabi, facts.abi_version) {
        (0, 0) => None,
        (3, version) if version <= GLIBC_GNU_VERSION => None,
        (0 | 3, _) => Some("ELF file ABI version invalid"),
        _ => Some("ELF file OS ABI invalid"),
    }
}

fn glibc_library(facts: &Facts) -> Option<String> {
    let of_glibc = ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"];
    facts
        .needed
        .iter()
        .find(|name| of_glibc.contains(&name.as_str()))
        .cloned()
}

/// The first number that musl's table lacks.
fn unknown_to_musl(facts: &Facts) -> Option<String> {
    let known: &[u32] = match facts.machine {
        EM_X86_64 => &[0, 1, 2, 5, 6, 7, 8, 16, 17, 18, 36],
        EM_386 => &[0, 1, 2, 5, 6, 7, 8, 14, 35, 36, 37, 41],
        _ => return facts.has_resolvers.then(|| "IRELATIVE".to_owned()),
    };
    let unknown = facts.kinds.iter().find(|(number, _)| !known.contains(number))?;
    Some(unknown.0.to_string())
}

/// The first number that glibc's table lacks.
fn unknown_to_glibc(facts: &Facts) -> Option<String> {
    let known: &[u32] = match facts.machine {
        EM_X86_64 => &[0, 1, 2, 5, 6, 7, 8, 10, 16, 17, 18, 32, 33, 36, 37],
        _ => return None,
    };
    let unknown = facts.kinds.iter().find(|(number, _)| !known.contains(number))?;
    Some(format!("0x{:02x}", unknown.0))
}

#[derive(Serialize)]
struct Listed {
    loaders: &'static [Loader],
    outcome: Outcome,
    why: &'static str,
    words: &'static str,
    source: &'static str,
}

/// The rules as an answer.
#[derive(Serialize)]
pub struct List {
    rules: Vec<Listed>,
}

/// All rules.
pub fn listed() -> List {
    let listed = |rule: &Rule| Listed {
        loaders: rule.loaders,
        outcome: rule.outcome,
        why: rule.why,
        words: rule.words,
        source: rule.source,
    };
    List {
        rules: RULES.iter().map(listed).collect(),
    }
}

impl Display for List {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            let loaders: Vec<&str> = rule.loaders.iter().map(|loader| loader.title()).collect();
            let outcome = match rule.outcome {
                Outcome::Load => "loads",
                Outcome::Refuse => "refuses",
                Outcome::Fault => "faults",
            };
            writeln!(out, "{}: {outcome}: {}", loaders.join(", "), rule.why)?;
            if !rule.words.is_empty() {
                writeln!(out, "    says: {}", rule.words)?;
            }
            writeln!(out, "    source: {}", rule.source)?;
        }
        Ok(())
    }
}

impl Answer for List {
    const COMMAND: &'static str = "compat";
}
