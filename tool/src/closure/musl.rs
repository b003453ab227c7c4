//! The search of musl's loader, which is another than glibc's: LD_LIBRARY_PATH comes first, DT_RPATH and DT_RUNPATH mean the same and
//! are inherited from every file that stands between the program and the asker, and there is neither cache nor CPU subdirectory.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::rule::Rule;
use super::{Object, Surroundings};
use crate::elf::Binary;
use crate::spelling;

/// Where a musl system without a path file keeps its libraries.
const DIRECTORIES: &str = "/lib:/usr/local/lib:/usr/lib";

/// The list of directories for programs of this machine.
pub const PATH_FILE: &str = "/etc/ld-musl-x86_64.path";

/// Names that musl's own libc answers to, up to the dot.
const OWN: &[&str] = &[
    "libc.",
    "libpthread.",
    "librt.",
    "libm.",
    "libdl.",
    "libutil.",
    "libxnet.",
];

/// Whether musl takes its own libc for `name`, wherever a file of that name may be.
pub fn is_own(name: &str) -> bool {
    OWN.iter().any(|start| name.starts_with(start))
}

/// The system's directories: those of the file that belongs to the loader's name, or musl's built-in list.
pub fn directories(program: &Binary, surroundings: &Surroundings) -> String {
    let listed = || -> Result<String> {
        let interpreter = program.interpreter.as_deref().context("a library")?;
        let name = interpreter
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_suffix(".so.1"))
            .context("another name")?;
        // lode reads the file of the loader in whose place it is.
        let name = if name.starts_with("ld-lode") {
            "ld-musl-x86_64"
        } else {
            name
        };
        let path = surroundings.tree.resolve(Path::new(&format!("/etc/{name}.path")))?;
        Ok(fs::read_to_string(surroundings.tree.outside(&path))?)
    };
    listed().unwrap_or_else(|_| DIRECTORIES.to_owned())
}

/// The paths to try for a name without a slash; `asker` is `None` for a preload.
pub fn candidates(
    name: &str,
    asker: Option<usize>,
    objects: &[Object],
    library_path: Option<&str>,
    system: &str,
) -> Vec<(Rule, String)> {
    let mut lists: Vec<(Rule, String)> = Vec::new();
    if let Some(list) = library_path {
        lists.push((Rule::LibraryPath, list.to_owned()));
    }
    let mut next = asker.and_then(|asker| objects.get(asker));
    while let Some(object) = next {
        lists.extend(paths_of(object));
        next = object.asker.and_then(|asker| objects.get(asker));
    }
    lists.push((Rule::Default, system.to_owned()));
    let mut candidates = Vec::new();
    for (rule, list) in lists {
        let directories = list.split([':', '\n']).filter(|directory| !directory.is_empty());
        candidates.extend(directories.map(|directory| (rule.clone(), format!("{directory}/{name}"))));
    }
    candidates
}

/// The search path of one file. With a token that is not `$ORIGIN`, musl does not use it.
fn paths_of(object: &Object) -> Option<(Rule, String)> {
    let (rule, list) = match (&object.binary.runpath, &object.binary.rpath) {
        (Some(list), _) => (Rule::Runpath(object.path.clone()), list),
        (None, Some(list)) => (Rule::Rpath(object.path.clone()), list),
        (None, None) => return None,
    };
    // The program's place is what the kernel says, a library's what it was found by.
    let place = match object.asker {
        None => spelling::of(&object.real),
        Some(_) => object.path.clone(),
    };
    let origin = place.rsplit_once('/').map_or(".", |(folder, _)| folder);
    let list = list.replace("${ORIGIN}", "$ORIGIN");
    let has_other_tokens = list.matches('$').count() != list.matches("$ORIGIN").count();
    (!has_other_tokens).then(|| (rule, list.replace("$ORIGIN", origin)))
}
