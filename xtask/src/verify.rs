//! `cargo xtask tables --verify`: scans libcs for members of the loader's structures that they read and lode does not fill.
//!
//! The same scan as `lode-tool check-libc`, for whoever has changed a row, the list of `scan/src/reviewed.rs`, or what the loader fills.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// The switch of `cargo xtask tables` that asks for this.
pub const SWITCH: &str = "--verify";

/// The loader whose libc is scanned when none is named.
const INSTALLED_LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// Scans each libc.so.6, or the installed one, with its siblings; prints a line for each, and the faults.
///
/// # Errors
/// A file cannot be read, or lode refuses a libc.
pub fn run(libcs: &[String]) -> Result<ExitCode> {
    if let Some(option) = libcs.iter().find(|libc| libc.starts_with('-')) {
        bail!("unknown option {option}\nusage: cargo xtask tables {SWITCH} [LIBC...]");
    }
    let mut libcs: Vec<PathBuf> = libcs.iter().map(PathBuf::from).collect();
    if libcs.is_empty() {
        libcs.push(installed()?);
    }
    let mut is_proven = true;
    for libc in &libcs {
        let report = scan::check(libc).with_context(|| libc.display().to_string())?;
        println!("{}", report.summary());
        is_proven &= report.faults().next().is_none();
    }
    Ok(if is_proven {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The libc.so.6 beside the installed loader.
fn installed() -> Result<PathBuf> {
    let loader = std::fs::canonicalize(Path::new(INSTALLED_LOADER))
        .with_context(|| format!("no libc.so.6 given and no {INSTALLED_LOADER}"))?;
    Ok(loader.with_file_name("libc.so.6"))
}
