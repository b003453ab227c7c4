//! What a file asks of glibc: the versions of its symbols, and what only newer loaders can do.

use std::collections::BTreeMap;

use serde::Serialize;

use super::release::Release;
use crate::elf::Binary;

/// The first glibc whose loader unpacks relative relocations, and the mark by which a file says that it needs that.
pub const RELR: Release = Release(2, 36, 0);
const RELR_MARK: &str = "GLIBC_ABI_DT_RELR";

/// `DT_RELR`, and its number before it had one (`DT_ANDROID_RELR` is another)
const DT_RELR: u64 = 36;

/// Why a release is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The first release that has it
    pub release: Release,
    /// The symbols, or a feature of the loader in words
    pub what: Vec<String>,
}

/// What a file needs of glibc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The newest first
    pub reasons: Vec<Reason>,
    /// What no release number says
    pub notes: Vec<String>,
}

/// What a file needs. `None` when it does not ask for a versioned symbol of glibc.
pub fn needs(binary: &Binary) -> Option<Needs> {
    let mut by_release: BTreeMap<Release, Vec<String>> = BTreeMap::new();
    let mut notes = Vec::new();
    let mut is_of_glibc = false;
    let versions = binary.version_needs.iter().flat_map(|need| &need.versions);
    for (version, _) in versions.filter(|(_, is_weak)| !is_weak) {
        let Some(rest) = version.strip_prefix("GLIBC_") else {
            continue;
        };
        is_of_glibc = true;
        if let Ok(release) = rest.parse::<Release>() {
            let wanted = binary
                .symbols
                .iter()
                .filter(|symbol| symbol.is_wanted() && symbol.version.as_ref() == Some(version));
            let names = wanted.map(|symbol| described(&symbol.full_name(), &symbol.name));
            let list = by_release.entry(release).or_default();
            list.extend(names);
            if list.is_empty() {
                list.push(format!("{version}, of which no symbol is used"));
            }
        } else if rest == "PRIVATE" {
            notes.push("uses GLIBC_PRIVATE: only the very glibc that it was built with will do".to_owned());
        } else if version != RELR_MARK {
            notes.push(format!(
                "asks for {version}, a mark that newer releases and updates of older ones have"
            ));
        }
    }
    if binary.dynamic_value(DT_RELR).is_some() && (is_of_glibc || binary.needed.iter().any(|name| name == "libc.so.6"))
    {
        is_of_glibc = true;
        by_release
            .entry(RELR)
            .or_default()
            .push("packed relative relocations (DT_RELR)".to_owned());
    }
    let reasons = by_release.into_iter().rev();
    let reasons = reasons.map(|(release, mut what)| {
        what.sort();
        what.dedup();
        Reason { release, what }
    });
    is_of_glibc.then(|| Needs {
        reasons: reasons.collect(),
        notes,
    })
}

/// Symbols that come with every program, whatever it does.
fn described(full: &str, name: &str) -> String {
    match name {
        "__libc_start_main" => format!("{full} (start files)"),
        "__cxa_finalize" => format!("{full} (every library)"),
        _ => full.to_owned(),
    }
}
