//! The trees of `cargo xtask test --suite trees`: root file systems of the releases of Debian whose glibc lode knows.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The name of the suite.
pub const SUITE: &str = "trees";
/// The name of the suite that runs the same programs under a loader that has upstream's rows only.
pub const UPSTREAM: &str = "upstream";
/// The variable that tells the tests so.
pub const ROWS: &str = "LODE_ROWS";
/// The variable that names the trees to the tests, separated by colons.
pub const VARIABLE: &str = "LODE_TREES";

/// The releases: glibc 2.31, 2.36, 2.41 and the newest.
const RELEASES: [&str; 4] = ["bullseye", "bookworm", "trixie", "sid"];

/// What a tree has beyond the minimum.
const PACKAGES: &str = "gcc,g++,libc6-dev,make,python3-minimal,netbase";

/// The trees: those that the caller named, or else one for each release, made by debootstrap in target/lode/trees if it is not there yet.
///
/// # Errors
/// There is no debootstrap, or it fails: it needs root and the network.
pub fn ready() -> Result<OsString> {
    if let Some(named) = env::var_os(VARIABLE) {
        return Ok(named);
    }
    let trees: Vec<PathBuf> = RELEASES.iter().map(|release| tree(release)).collect::<Result<_>>()?;
    Ok(env::join_paths(trees)?)
}

fn tree(release: &str) -> Result<PathBuf> {
    let folder = workspace::products().join(SUITE);
    let tree = folder.join(release);
    if tree.is_dir() {
        return Ok(tree);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Under another name until it is whole, so that a run that was broken off leaves nothing that looks ready.
    let new = folder.join(format!("{release}.new"));
    if new.exists() {
        fs::remove_dir_all(&new).with_context(|| format!("cannot remove {}", new.display()))?;
    }
    debootstrap(release, &new)?;
    fs::rename(&new, &tree).with_context(|| format!("cannot rename {}", new.display()))?;
    Ok(tree)
}

fn debootstrap(release: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new("debootstrap");
    command
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), release])
        .arg(folder);
    let status = workspace::status(&mut command)
        .with_context(|| format!("{VARIABLE} names no trees, and debootstrap cannot make them"))?;
    ensure!(status.success(), "debootstrap of {release}: {status}");
    Ok(())
}
