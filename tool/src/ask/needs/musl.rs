//! What a file asks of musl: names, because musl has no versions, and what its loader can do.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::glibc::Reason;
use super::release::Release;
use crate::elf::{Binary, EM_386, EM_AARCH64, EM_RISCV, EM_X86_64, Symbol};

/// Names that musl exports, under the oldest release looked at that has them; `cargo xtask tables --musl` makes the file.
const NAMES: &str = include_str!("musl.txt");

/// The first musl whose loader unpacks relative relocations (its list of changes, 1.2.4).
const RELR: Release = Release(1, 2, 4);
/// `DT_RELR`, `DT_RELA`, `DT_RELASZ`, `DT_JMPREL`, `DT_PLTRELSZ`
const DT_RELR: u64 = 36;
const TABLES: [(u64, u64); 2] = [(7, 8), (23, 2)];
/// `STT_GNU_IFUNC`
const IFUNC: u8 = 10;

struct Names {
    oldest: Release,
    newest: Release,
    since: HashMap<&'static str, Release>,
}

static TABLE: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names {
        oldest: Release(u32::MAX, 0, 0),
        newest: Release(0, 0, 0),
        since: HashMap::new(),
    };
    let mut release = names.newest;
    for line in NAMES.lines().filter(|line| !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            release = heading.parse().unwrap_or(release);
            names.oldest = names.oldest.min(release);
            names.newest = names.newest.max(release);
        } else {
            names.since.insert(line, release);
        }
    }
    names
});

/// The oldest and the newest release that was looked at.
pub fn range() -> (Release, Release) {
    (TABLE.oldest, TABLE.newest)
}

/// What a file needs of musl.
#[derive(Debug, Default)]
pub struct Needs {
    /// Releases later than the oldest that was looked at, the newest first
    pub reasons: Vec<Reason>,
    /// Symbols that no release has
    pub lacks: Vec<String>,
    /// Why no release would do, in words
    pub obstacles: Vec<String>,
}

/// What a file needs, if `is_libcs` says which of its references are for libc.
pub fn needs(binary: &Binary, is_libcs: impl Fn(&Symbol) -> bool) -> Needs {
    let mut needs = Needs::default();
    let mut by_release: std::collections::BTreeMap<Release, Vec<String>> = std::collections::BTreeMap::new();
    for symbol in binary
        .symbols
        .iter()
        .filter(|symbol| symbol.is_wanted() && is_libcs(symbol))
    {
        match TABLE.since.get(symbol.name.as_str()) {
            Some(release) if *release > TABLE.oldest => {
                by_release.entry(*release).or_default().push(symbol.name.clone())
            }
            Some(_) => {}
            None if symbol.is_weak() => {}
            None => needs.lacks.push(symbol.name.clone()),
        }
    }
    needs.lacks.sort();
    needs.lacks.dedup();
    if binary.dynamic_value(DT_RELR).is_some() {
        let what = "packed relative relocations (DT_RELR); an older musl ends with a fault and says nothing";
        by_release.entry(RELR).or_default().push(what.to_owned());
    }
    if binary
        .symbols
        .iter()
        .any(|symbol| symbol.is_defined() && symbol.kind == IFUNC)
        || has_irelative(binary)
    {
        needs
            .obstacles
            .push("has functions that choose themselves (IFUNC), which musl's loader does not know".to_owned());
    }
    needs.reasons = by_release
        .into_iter()
        .rev()
        .map(|(release, what)| Reason { release, what })
        .collect();
    needs
}

/// Whether a 64-bit file has relocations that call a resolver (R_*_IRELATIVE).
fn has_irelative(binary: &Binary) -> bool {
    let kind = match binary.header.machine {
        EM_X86_64 => 37,
        EM_AARCH64 => 1032,
        EM_RISCV => 58,
        EM_386 => return false,
        _ => return false,
    };
    TABLES.iter().any(|(table, size)| {
        let records = || binary.at(binary.dynamic_value(*table)?, binary.dynamic_value(*size)?);
        let mut records = records().unwrap_or_default().chunks_exact(24);
        records.any(|record| {
            binary
                .words()
                .word(record, if binary.header.little_endian { 8 } else { 12 })
                == Some(kind)
        })
    })
}
