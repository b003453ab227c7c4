//! Every ELF file of a tree: programs with all that they bring along, then the libraries that no program brought.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::Check;
use super::finding::{Finding, LONELY_LIBRARY, Severity};
use crate::closure::Closure;
use crate::elf::Binary;

/// Directories of a running system that are not files of a disk.
const PSEUDO: &[&str] = &["proc", "sys", "dev"];

/// `ET_EXEC` and `ET_DYN`: what can be loaded.
const LOADABLE: [u16; 2] = [2, 3];

/// Checks all.
pub fn every_file(check: &mut Check<'_>) {
    let (programs, libraries): (Vec<_>, Vec<_>) = elf_files(check)
        .into_iter()
        .partition(|(_, binary)| binary.is_program() || binary.dynamic.is_empty());
    for (path, _) in &programs {
        check.program(path);
    }
    for (path, _) in &libraries {
        library(check, path);
    }
}

/// A library by itself. What it lacks may be there when a program has loaded it (`dlopen`, an RPATH), so that is a warning, and its
/// symbols are not looked up.
fn library(check: &mut Check<'_>, path: &Path) {
    if check.examined.contains_key(path) {
        return;
    }
    check.report.libraries += 1;
    let closure = match Closure::of(path, &[], check.surroundings) {
        Ok(closure) => closure,
        Err(error) => return check.add(super::files::unreadable(path, check.surroundings, &error)),
    };
    let object = &closure.objects[0];
    check.file(path, &object.real, &object.binary);
    let names: BTreeSet<&str> = closure
        .missing()
        .filter(|edge| edge.asker == 0)
        .map(|edge| edge.name.as_str())
        .collect();
    if names.is_empty() {
        return;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let finding = Finding::warning(LONELY_LIBRARY, &object.path, format!("{} not found", names.join(", ")));
    check.add(
        finding
            .because("no program of the tree needs this library; one that opens it may bring or find what is missing"),
    );
}

/// Real paths in the tree of all files that a loader could load, links and copies of links once.
fn elf_files(check: &mut Check<'_>) -> Vec<(PathBuf, Binary)> {
    let surroundings = check.surroundings;
    let root = surroundings.tree.root();
    let is_wanted = |path: &Path| {
        path.strip_prefix(root)
            .is_ok_and(|inside| !PSEUDO.iter().any(|pseudo| inside == Path::new(pseudo)))
    };
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    let files = walk.filter_entry(|entry| is_wanted(entry.path())).flatten();
    let files = files.filter(|entry| entry.file_type().is_file() && is_elf(entry.path()));
    files
        .filter_map(|entry| {
            let inside = Path::new("/").join(entry.path().strip_prefix(root).ok()?);
            let binary = match Binary::open(entry.path()) {
                Ok(binary) => binary,
                Err(error) => {
                    // Nobody has said that it is there to be loaded.
                    let mut finding = super::files::unreadable(&inside, surroundings, &error);
                    finding.severity = Severity::Warning;
                    check.add(finding);
                    return None;
                }
            };
            if !LOADABLE.contains(&binary.header.kind) || is_debug_information(&binary) {
                return None;
            }
            Some((
                inside,
                Binary {
                    bytes: Vec::new(),
                    symbols: Vec::new(),
                    ..binary
                },
            ))
        })
        .collect()
}

/// Whether only debug information is left of a program or library: its sections are there without their bytes.
fn is_debug_information(binary: &Binary) -> bool {
    /// `SHT_NOBITS`
    const NOBITS: u32 = 8;
    let mut sections = binary.sections.iter();
    sections.any(|section| section.kind == NOBITS && matches!(section.name.as_str(), ".text" | ".dynsym" | ".dynamic"))
}

fn is_elf(path: &Path) -> bool {
    let mut start = [0; 4];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok()
        && start == *b"\x7fELF"
}
