//! `cargo xtask build`: the loader as it is shipped, `libcrt.a` and `lode-tool`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace;

/// The size that the loader must not exceed, in bytes: that of the loader it replaces.
pub const SIZE_LIMIT: u64 = 215_000;
/// The size that the loader aims for, in bytes.
pub const SIZE_AIM: u64 = 160_000;

/// Switches of `cargo xtask build`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Build the development profile, with symbols, into target/lode/debug
    #[arg(long)]
    debug: bool,
}

/// Builds and says where the loader is and how large.
///
/// # Errors
/// The build fails, or its product cannot be copied.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let loader = if arguments.debug { debug_loader()? } else { release()? };
    let size = fs::metadata(&loader)?.len();
    println!(
        "{}: {size} bytes (limit {SIZE_LIMIT}, aim {SIZE_AIM})",
        loader.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Builds the stripped release loader, `libcrt.a` and `lode-tool`; returns the loader's path.
///
/// # Errors
/// The build fails, or its product cannot be copied.
pub fn release() -> Result<PathBuf> {
    let built = workspace::cargo_artifact(
        &["build", "--quiet", "--release", "-p", "ld-lode", "--bin", "ld-lode"],
        // The profile keeps symbols for debuggers and profilers; only what is shipped goes without.
        &[("CARGO_PROFILE_RELEASE_STRIP", "symbols")],
        "/ld-lode",
    )?;
    let loader = workspace::loader();
    install(&built, &loader)?;
    let library = workspace::cargo_artifact(
        &[
            "build",
            "--quiet",
            "--release",
            "--manifest-path",
            "crt/libcrt/Cargo.toml",
        ],
        &[],
        ".a",
    )?;
    install(&library, &workspace::libcrt())?;
    let tool = workspace::cargo_artifact(
        &["build", "--quiet", "--release", "-p", "lode-tool", "--bin", "lode-tool"],
        &[("CARGO_PROFILE_RELEASE_STRIP", "symbols")],
        "/lode-tool",
    )?;
    install(&tool, &workspace::tool())?;
    Ok(loader)
}

/// Builds the loader of the development profile; returns its path.
fn debug_loader() -> Result<PathBuf> {
    let built = workspace::cargo_artifact(
        &["build", "--quiet", "-p", "ld-lode", "--bin", "ld-lode"],
        &[],
        "/ld-lode",
    )?;
    let loader = workspace::debug_loader();
    install(&built, &loader)?;
    Ok(loader)
}

/// Puts a copy of `built` in place of `product` by a rename, so that running processes keep the old file.
/// A product with equal content stays as it is.
fn install(built: &Path, product: &Path) -> Result<()> {
    let content = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(product).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let folder = product.parent().context("a product lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let new = product.with_extension("new");
    fs::copy(built, &new).with_context(|| format!("cannot write {}", new.display()))?;
    fs::rename(&new, product).with_context(|| format!("cannot replace {}", product.display()))
}
