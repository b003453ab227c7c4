//! `lode-tool features`: what the lode of this build supports, read from the loader's own tables or asked of its own functions. There is no
//! second list here that could differ.

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

use anyhow::Result;
use lode::abi::glibc::layout;
use lode::arch::{MACHINES, Machine};
use lode::elf::dynamic::{Flags, Flags1, tag};
use lode::elf::header::{HEADER_SIZE, Header, osabi_name};
use lode::elf::segment::kind_name;
use lode::layout::{LARGEST_TLS_ALIGN, LARGEST_TLS_SIZE};
use lode::process;
use lode::world::Namespace;
use serde::Serialize;

use super::Output;
use crate::report::{Answer, give};

/// List what lode supports: tags, relocations, ABI versions, libcs, limits, switches
///
/// All of it comes from the loader's own tables; `--format json` is for programs.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    give(&Features::all(), arguments.output.format)
}

#[derive(Serialize)]
struct Features {
    /// Version of lode
    version: &'static str,
    /// Machines whose files are understood
    machines: Vec<MachineFeatures>,
    /// Highest EI_ABIVERSION for each EI_OSABI that is accepted
    abi_versions: Vec<AbiVersion>,
    /// Segment types that are read
    segments: Vec<Number>,
    /// Dynamic tags that are known
    tags: Vec<Number>,
    /// Bits of DT_FLAGS and DT_FLAGS_1 that are known
    flags: Vec<Number>,
    flags_1: Vec<Number>,
    /// States of glibc's private interface that are known
    glibc: Vec<Libc>,
    /// What is so of musl
    musl: &'static str,
    limits: Limits,
    /// Words of LODE_OPTIONS, which are switches of the command line too
    switches: Vec<&'static str>,
    /// Variables of the environment that are obeyed
    variables: Vec<&'static str>,
    /// Words of LD_DEBUG
    debug_words: Vec<&'static str>,
}

#[derive(Serialize)]
struct MachineFeatures {
    name: &'static str,
    elf_machine: u16,
    bits: u8,
    /// Bits of e_flags that are accepted
    flags: u32,
    page_sizes: &'static [u64],
    relocations: Vec<Number>,
}

/// A number and its name.
#[derive(Serialize)]
struct Number {
    number: u64,
    name: String,
}

#[derive(Serialize)]
struct AbiVersion {
    osabi: u8,
    name: &'static str,
    highest_version: u8,
}

#[derive(Serialize)]
struct Libc {
    release: String,
    /// What the rows were made from
    rows: Vec<String>,
}

/// Limits, in bytes or as a count.
#[derive(Serialize)]
struct Limits {
    largest_tls_segment: u64,
    largest_tls_alignment: u64,
    namespaces: u64,
}

/// What lode does with musl today, which the loader has no table of.
const MUSL: &str = "1.1.24 and newer, by the libc's structure (E0212); lode-tool judges such programs by the rules of musl's own loader";

impl Features {
    fn all() -> Features {
        let tags = tag::TAGS.iter().map(|number| Number {
            number: (*number).into(),
            name: tag::name((*number).into()).unwrap_or_default().to_owned(),
        });
        let bits = |names: Vec<(&'static str, u64)>| {
            let number = |(name, number): (&'static str, u64)| Number {
                number,
                name: name.to_owned(),
            };
            names.into_iter().map(number).collect()
        };
        Features {
            version: env!("CARGO_PKG_VERSION"),
            machines: MACHINES.iter().map(|machine| MachineFeatures::of(machine)).collect(),
            abi_versions: MACHINES.first().map_or_else(Vec::new, |machine| abi_versions(machine)),
            segments: segments(),
            tags: tags.collect(),
            flags: bits(
                Flags::all()
                    .iter_names()
                    .map(|(name, bit)| (name, bit.bits()))
                    .collect(),
            ),
            flags_1: bits(
                Flags1::all()
                    .iter_names()
                    .map(|(name, bit)| (name, bit.bits()))
                    .collect(),
            ),
            glibc: glibc(),
            musl: MUSL,
            limits: Limits {
                largest_tls_segment: LARGEST_TLS_SIZE,
                largest_tls_alignment: LARGEST_TLS_ALIGN,
                namespaces: Namespace::MOST.into(),
            },
            switches: words(process::SWITCHES, "  --"),
            variables: process::VARIABLE_NAMES.lines().collect(),
            debug_words: words(process::DEBUG_WORDS, "  "),
        }
    }
}

impl MachineFeatures {
    fn of(machine: &Machine) -> MachineFeatures {
        // No psABI numbers relocations beyond this.
        let numbers = 0..2048;
        let relocations = numbers.filter_map(|number| {
            let known = (machine.relocation)(number)?;
            Some(Number {
                number: number.into(),
                name: known.name.to_owned(),
            })
        });
        MachineFeatures {
            name: machine.name,
            elf_machine: machine.elf_machine,
            bits: if machine.class == 2 { 64 } else { 32 },
            flags: machine.flags_known,
            page_sizes: machine.page_sizes,
            relocations: relocations.collect(),
        }
    }
}

/// What the check of a header accepts: each OS ABI and version is put into an otherwise good header.
fn abi_versions(machine: &Machine) -> Vec<AbiVersion> {
    let mut header = [0; HEADER_SIZE];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', machine.class, machine.data, 1]);
    header[16] = 3;
    header[18..20].copy_from_slice(&machine.elf_machine.to_le_bytes());
    header[20] = 1;
    let mut accepts = |osabi, version| {
        (header[7], header[8]) = (osabi, version);
        Header::check_identity(&header, machine).is_ok()
    };
    let highest = |osabi| {
        let highest_version = (0..=u8::MAX).take_while(|version| accepts(osabi, *version)).last()?;
        Some(AbiVersion {
            osabi,
            name: osabi_name(osabi),
            highest_version,
        })
    };
    (0..=u8::MAX).filter_map(highest).collect()
}

/// The numbers that segment types have: the gABI's, and GNU's.
fn segments() -> Vec<Number> {
    let numbers = (0..0x100).chain(0x6474_e500..0x6474_e600);
    let named = numbers.filter_map(|number| {
        Some(Number {
            number: number.into(),
            name: kind_name(number)?.to_owned(),
        })
    });
    named.collect()
}

fn glibc() -> Vec<Libc> {
    let mut all: Vec<Libc> = Vec::new();
    let mut rows: Vec<&layout::Row> = layout::ALL.iter().collect();
    rows.sort_by_key(|row| (row.release, row.state()));
    for row in rows {
        let release = format!("2.{}", row.release);
        let text = row.to_string();
        match all.last_mut() {
            Some(libc) if libc.release == release => libc.rows.push(text),
            _ => all.push(Libc {
                release,
                rows: vec![text],
            }),
        }
    }
    all
}

/// The first words of the lines that begin with `start` and a letter.
fn words(text: &'static str, start: &str) -> Vec<&'static str> {
    let word = |line: &'static str| {
        let rest = line.strip_prefix(start)?;
        let is_word = rest.starts_with(|one: char| one.is_ascii_lowercase());
        is_word.then(|| rest.split_whitespace().next())?
    };
    text.lines().filter_map(word).collect()
}

impl Display for Features {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let names = |numbers: &[Number]| -> String {
            let names: Vec<&str> = numbers.iter().map(|number| number.name.as_str()).collect();
            names.join(" ")
        };
        writeln!(out, "lode {}", self.version)?;
        for machine in &self.machines {
            writeln!(
                out,
                "machine {}: e_machine {}, {} bits, pages of {:?} bytes",
                machine.name, machine.elf_machine, machine.bits, machine.page_sizes
            )?;
            writeln!(out, "  relocations: {}", names(&machine.relocations))?;
        }
        for abi in &self.abi_versions {
            writeln!(
                out,
                "OS ABI {} ({}): versions up to {}",
                abi.osabi, abi.name, abi.highest_version
            )?;
        }
        writeln!(out, "segments: {}", names(&self.segments))?;
        writeln!(out, "dynamic tags: {}", names(&self.tags))?;
        writeln!(out, "DT_FLAGS: {}", names(&self.flags))?;
        writeln!(out, "DT_FLAGS_1: {}", names(&self.flags_1))?;
        for libc in &self.glibc {
            writeln!(out, "glibc {}: {}", libc.release, libc.rows.join("; "))?;
        }
        writeln!(out, "musl: {}", self.musl)?;
        writeln!(
            out,
            "limits: TLS segment {:#x} bytes, TLS alignment {:#x}, {} namespaces",
            self.limits.largest_tls_segment, self.limits.largest_tls_alignment, self.limits.namespaces
        )?;
        writeln!(out, "switches: {}", self.switches.join(" "))?;
        writeln!(out, "variables: {}", self.variables.join(" "))?;
        writeln!(out, "LD_DEBUG: {}", self.debug_words.join(" "))
    }
}

impl Answer for Features {
    const COMMAND: &'static str = "features";
}
