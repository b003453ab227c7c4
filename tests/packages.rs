//! Native packages of two registries, and none of their files is refused: `cargo xtask test --suite packages`.
//!
//! `packages/pypi.txt` and `packages/npm.txt` are the lists, one name a line. What is not in the folder yet is fetched into it by the registries' own
//! clients, `pip` and `npm`; nothing of a package runs.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_PACKAGES` | the folder, which is kept; without it there is nothing to do but a few altered copies |
//! | `LODE_ALTERED` | how many files of the system are altered in each way; 400, or 12 without the folder |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "packages/altered.rs"]
mod altered;
#[path = "corpus/reading.rs"]
mod reading;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use reading::{files_below, read};
use tools::{has, skip, succeed};

/// Where a package is unpacked, if it can be had. A folder of that name is there only when all of it is.
fn unpacked(folder: &Path, name: &str, fetch: impl Fn(&Path), unpack: impl Fn(&Path, &Path)) -> Option<PathBuf> {
    let ready = folder.join(name.replace('/', "+"));
    if ready.exists() {
        return Some(ready);
    }
    let partial = ready.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).unwrap();
    fetch(&partial);
    let archive = fs::read_dir(&partial).unwrap().next()?.unwrap().path();
    unpack(&archive, &partial);
    fs::remove_file(&archive).unwrap();
    fs::rename(&partial, &ready).unwrap();
    Some(ready)
}

fn quietly(command: &mut Command) {
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Reads every ELF file of every package of a list.
fn none_is_refused(list: &str, registry: &str, fetch: fn(&str, &Path), unpack: fn(&Path, &Path)) {
    let Some(folder) = env::var_os("LODE_PACKAGES") else {
        return;
    };
    let folder = Path::new(&folder).join(registry);
    let (mut packages, mut files, mut refused, mut missing) = (0, 0, Vec::new(), Vec::new());
    for name in list.lines() {
        let Some(package) = unpacked(&folder, name, |into| fetch(name, into), unpack) else {
            missing.push(name);
            continue;
        };
        let mut paths = Vec::new();
        files_below(&package, &mut paths);
        packages += 1;
        files += paths.len();
        refused.extend(
            paths
                .iter()
                .filter_map(|path| read(path).err())
                .map(|error| error.to_string()),
        );
    }
    println!("{registry}: {packages} packages, {files} files; cannot be had: {missing:?}");
    if packages == 0 {
        return skip(&format!("no network, and no package of {registry}"));
    }
    assert!(refused.is_empty(), "{} refused: {refused:#?}", refused.len());
}

#[test]
fn no_file_of_a_package_of_pypi_is_refused() {
    if !has("pip") {
        return;
    }
    let fetch = |name: &str, into: &Path| {
        let mut pip = Command::new("pip");
        pip.args(["download", "--no-deps", "--only-binary", ":all:", "--dest"])
            .arg(into)
            .arg(name);
        quietly(&mut pip);
    };
    let unpack = |archive: &Path, into: &Path| {
        succeed(
            Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(archive)
                .arg(into),
        );
    };
    none_is_refused(include_str!("packages/pypi.txt"), "pypi", fetch, unpack);
}

#[test]
fn no_file_of_a_package_of_npm_is_refused() {
    if !has("npm") {
        return;
    }
    let fetch =
        |name: &str, into: &Path| quietly(Command::new("npm").args(["pack", "--silent", name]).current_dir(into));
    let unpack = |archive: &Path, into: &Path| {
        succeed(Command::new("tar").arg("xf").arg(archive).arg("-C").arg(into));
    };
    none_is_refused(include_str!("packages/npm.txt"), "npm", fetch, unpack);
}
