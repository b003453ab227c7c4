//! `cargo xtask check`: what a reviewer would otherwise have to look for by hand. Formatting, lints, which
//! room imports which, where `unsafe` stands and why, the form of the built file, and which system calls a start makes.

mod calls;
mod image;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use anyhow::Result;

use crate::{build, workspace};

/// Switches of `cargo xtask check`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only these parts (default: all)
    #[arg(value_enum)]
    parts: Vec<Part>,
}

/// What can be checked alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// rustfmt
    Format,
    /// clippy, warnings as errors
    Lints,
    /// imports between rooms, unsafe code, prints, conditional compilation
    Source,
    /// the built loader
    Image,
    /// the system calls of a start, against those under glibc's loader
    Calls,
}

/// What a room of `loader/src` may import, besides itself and `ANYWHERE`. A room is a file or a folder there.
///
/// Two rules stand behind it. The pure rooms turn bytes into values without a kernel: none of them imports
/// `sys`. The core knows no libc: none of what `abi` builds on imports `abi`. A room that is not listed is a finding.
const ROOMS: &[(&str, Imports)] = &[
    ("lib", Imports::All),
    ("main", Imports::All),
    ("error", Imports::Only(&["elf"])),
    ("event", Imports::Only(&["elf", "search", "world"])),
    ("elf", Imports::Only(&["arch"])),
    ("image", Imports::Only(&["elf"])),
    ("foreign", Imports::Only(&["elf", "image"])),
    ("arch", Imports::Only(&[])),
    ("cpuid", Imports::Only(&["elf"])),
    ("layout", Imports::Only(&["elf"])),
    ("symbols", Imports::Only(&["elf", "image"])),
    ("process", Imports::Only(&[])),
    ("restore", Imports::Only(&["sys"])),
    ("search", Imports::Only(&["elf"])),
    ("world", Imports::Only(&["elf", "image", "layout", "symbols", "tls"])),
    ("scope", Imports::Only(&["elf", "image", "symbols", "world"])),
    ("tls", Imports::Only(&["arch", "layout", "world"])),
    ("stages", Imports::Only(STAGES)),
    ("thread", Imports::Only(&["dl", "foreign", "image", "sys", "world"])),
    ("abi", Imports::Only(ABI)),
    ("dl", Imports::Only(DL)),
    ("exports", Imports::Only(EXPORTS)),
    ("debugger", Imports::Only(&["foreign", "image", "sys", "world"])),
    ("view", Imports::Only(&["stages", "world"])),
    // The kernel's side of `Host`, and the instructions through which the program calls `dl`.
    ("sys", Imports::Only(SYS)),
];

const STAGES: &[&str] = &[
    "elf", "image", "arch", "scope", "tls", "search", "process", "world", "layout", "symbols",
];
const ABI: &[&str] = &[
    "stages", "elf", "image", "arch", "scope", "tls", "search", "process", "world", "layout", "symbols", "sys",
    "cpuid", "thread", "dl", "debugger", "foreign",
];
const DL: &[&str] = &[
    "stages", "abi", "elf", "image", "scope", "search", "symbols", "tls", "thread", "world", "sys", "debugger", "view",
    "foreign",
];
const EXPORTS: &[&str] = &["abi", "dl", "debugger", "foreign", "sys", "thread", "world"];
const SYS: &[&str] = &[
    "elf", "image", "layout", "world", "arch", "cpuid", "search", "stages", "dl", "thread",
];

/// Rooms that any other may import.
const ANYWHERE: &[&str] = &["error", "event"];

/// Rooms that may import the package `crt`: those that talk to the kernel. Its error numbers and its reading of a line are plain values, and a
/// prefetch is a hint to the processor.
const MAY_IMPORT_CRT: &[&str] = &[
    "sys", "main", "lib", "exports", "abi", "dl", "debugger", "restore", "thread", "view",
];

/// Rooms of `loader/src` in which `unsafe` may stand. All of `crt/` may, too.
const MAY_BE_UNSAFE: &[&str] = &[
    "sys", "image", "foreign", "dl", "debugger", "main", "exports", "abi", "thread",
];

/// The only files that may ask for which machine they are compiled.
const MAY_NAME_THE_MACHINE: &[&str] = &["crt/src/lib.rs", "loader/src/sys/mod.rs"];

/// What a room may import.
#[derive(Clone, Copy)]
enum Imports {
    All,
    Only(&'static [&'static str]),
}

/// Runs the parts asked for, prints each with its findings, and goes on to the end.
///
/// # Errors
/// A tool cannot be started, or a file cannot be read. Findings are the answer, not an error.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let wanted = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    let mut findings = 0;
    if wanted(Part::Format) {
        findings += cargo_findings("formatting", &["fmt", "--all", "--check"])?;
    }
    if wanted(Part::Lints) {
        let arguments = [
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        findings += cargo_findings("lints", &arguments)?;
    }
    if wanted(Part::Source) {
        let report = source::examine(&workspace::root())?;
        print_unsafe_code(&report.unsafe_code);
        findings += print_findings("source", &report.findings);
    }
    if wanted(Part::Image) {
        let loader = build::release()?;
        let bytes = fs::read(&loader)?;
        let exports = fs::read_to_string(workspace::root().join("loader/exports.map"))?;
        println!(
            "{}: {} bytes (limit {}, aim {})",
            loader.display(),
            bytes.len(),
            build::SIZE_LIMIT,
            build::SIZE_AIM
        );
        findings += print_findings("image", &image::examine(&bytes, &exports)?);
    }
    if wanted(Part::Calls) {
        match calls::examine(&build::release()?)? {
            Some(list) => findings += print_findings("calls", &list),
            None => println!("calls: skipped, strace is not installed"),
        }
    }
    println!("check: {findings} findings");
    Ok(if findings == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a cargo command that reports for itself; its failure counts as one finding.
fn cargo_findings(name: &str, arguments: &[&str]) -> Result<usize> {
    let green = workspace::status(workspace::cargo().args(arguments))?.success();
    println!("{name}: {}", if green { "ok" } else { "FAILED" });
    Ok(usize::from(!green))
}

/// Lists all unsafe code, room by room.
fn print_unsafe_code(list: &[source::Unsafe]) {
    let mut rooms: BTreeMap<&str, Vec<&source::Unsafe>> = BTreeMap::new();
    for one in list {
        rooms.entry(&one.room).or_default().push(one);
    }
    let in_crt = rooms.get("crt").map_or(0, Vec::len);
    println!("unsafe code: {} blocks in loader, {in_crt} in crt", list.len() - in_crt);
    for (room, list) in &rooms {
        println!("  {:4}  {room}", list.len());
        for one in list {
            println!("        {}: {}", one.place, one.reason);
        }
    }
}

fn print_findings(name: &str, findings: &[String]) -> usize {
    for finding in findings {
        println!("{name}: {finding}");
    }
    println!("{name}: {}", if findings.is_empty() { "ok" } else { "FAILED" });
    findings.len()
}
