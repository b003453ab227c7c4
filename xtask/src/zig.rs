//! The C++ compiler for musl: `zig c++`, as PyPI has it in the package `ziglang`. CI, and the suite of musl, let pip fetch it once; elsewhere it is used if it
//! is there.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_ZIG` | the program to use; nothing is fetched |
//! | `ZIG_GLOBAL_CACHE_DIR` | where it keeps the libraries that it builds for its first program (a minute of a processor); default: beside it |

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The variable that names the program to the tests.
const VARIABLE: &str = "LODE_ZIG";
/// Where the program keeps what it builds.
const CACHE: &str = "ZIG_GLOBAL_CACHE_DIR";

/// The package that the tests were tried with.
const PACKAGE: &str = "ziglang==0.17.1";

/// How often pip is tried: networks fail now and then.
const ATTEMPTS: u32 = 3;

/// Tells the tests that `command` runs where the compiler is. Without it, and unless it `is_wanted`, they do without.
///
/// # Errors
/// It is wanted and cannot be fetched.
pub fn tell(command: &mut Command, is_wanted: bool) -> Result<()> {
    let folder = workspace::products().join("zig");
    if env::var_os(VARIABLE).is_none() {
        let tree = folder.join(PACKAGE);
        if !tree.is_dir() {
            if !is_wanted {
                return Ok(());
            }
            fetch(&folder, &tree).with_context(|| format!("no C++ compiler for musl; {VARIABLE} names one"))?;
        }
        command.env(VARIABLE, program(&tree));
    }
    if env::var_os(CACHE).is_none() {
        command.env(CACHE, folder.join("cache"));
    }
    Ok(())
}

fn program(tree: &Path) -> PathBuf {
    tree.join("ziglang/zig")
}

/// Lets pip fetch the package, and unpacks it into `tree`, which is there only when all of it is.
fn fetch(folder: &Path, tree: &Path) -> Result<()> {
    let partial = folder.join(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let mut pip = Command::new("pip");
    pip.args(["download", "--quiet", "--no-deps", "--only-binary=:all:", PACKAGE]);
    pip.args(["--disable-pip-version-check", "--retries=5", "--dest"])
        .arg(&partial);
    let mut attempts = 0..ATTEMPTS;
    while !workspace::status(&mut pip)?.success() {
        ensure!(attempts.next().is_some(), "pip cannot have {PACKAGE}");
    }
    let mut files = fs::read_dir(&partial)?;
    let archive = files.next().context("pip fetched nothing")??.path();
    let status = workspace::status(
        Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&archive)
            .arg(&partial),
    )?;
    ensure!(status.success(), "{}: {status}", archive.display());
    fs::remove_file(&archive)?;
    // What unpacks a wheel does not keep this bit.
    fs::set_permissions(program(&partial), Permissions::from_mode(0o755))?;
    // Another run may have been faster; either is whole.
    if fs::rename(&partial, tree).is_err() {
        fs::remove_dir_all(&partial)?;
    }
    Ok(())
}
