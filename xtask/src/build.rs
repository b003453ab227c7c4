//! `cargo xtask build`: the loader as it is shipped, `libcrt.a` and `lode-tool`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use temp_dir::TempDir;

use crate::workspace;

/// The size that the loader has to keep within, in bytes. It was glibc's own, 215,000, before lode started programs of musl too.
pub const SIZE_LIMIT: u64 = 277_000;
/// The size that the loader aims for, in bytes.
pub const SIZE_AIM: u64 = 215_000;

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
    install(&built, &loader, with_known_sections)?;
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
    install(&library, &workspace::libcrt(), |_| ())?;
    let tool = workspace::cargo_artifact(
        &["build", "--quiet", "--release", "-p", "lode-tool", "--bin", "lode-tool"],
        &[("CARGO_PROFILE_RELEASE_STRIP", "symbols")],
        "/lode-tool",
    )?;
    install(&tool, &workspace::tool(), |_| ())?;
    Ok(loader)
}

/// Builds a loader that has none of the rows which were made from packages, only those from glibc's own headers; returns its path.
///
/// # Errors
/// The sources cannot be copied, or the build fails.
pub fn upstream_rows_only() -> Result<PathBuf> {
    let folder = TempDir::with_prefix("lode-upstream-")?;
    workspace::copy_to(folder.path())?;
    let table = folder.path().join("loader/src/abi/glibc/layout/mod.rs");
    let text = fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?;
    let without = text.split_once("\nrows! {\n").and_then(|(before, rows)| {
        let (_, after) = rows.split_once("\n}\n")?;
        Some(format!("{before}\nrows! {{}}\n{after}"))
    });
    fs::write(&table, without.context("layout/mod.rs has no `rows!`")?)?;
    let manifest = folder.path().join("Cargo.toml");
    let manifest = manifest
        .to_str()
        .context("a temporary folder whose name is not UTF-8")?;
    let built = workspace::cargo_artifact(
        &[
            "build",
            "--quiet",
            "--release",
            "--manifest-path",
            manifest,
            "-p",
            "ld-lode",
            "--bin",
            "ld-lode",
        ],
        &[("CARGO_PROFILE_RELEASE_STRIP", "symbols")],
        "/ld-lode",
    )?;
    let loader = workspace::products().join("upstream/ld-lode-x86_64.so.1");
    install(&built, &loader, with_known_sections)?;
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
    install(&built, &loader, with_known_sections)?;
    Ok(loader)
}

/// Gives the section of DT_RELR the type of plain data. The loader is an input of the static linker, and GNU ld before 2.38 refuses a file that has a
/// section of type SHT_RELR; nothing but the section's name needs the type (gABI, "Sections").
fn with_known_sections(file: &mut [u8]) {
    /// Places in the ELF header of 64-bit files: `e_shoff`, and `e_shnum` behind it.
    const TABLE: usize = 40;
    const COUNT: usize = 60;
    /// Size of a section header, and where its type is.
    const HEADER: usize = 64;
    const TYPE: usize = 4;
    const SHT_PROGBITS: u32 = 1;
    const SHT_RELR: u32 = 19;
    let number = |at: usize, length: usize| {
        let bytes = file.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0usize, |number, byte| number << 8 | usize::from(*byte)),
        )
    };
    let (Some(table), Some(count)) = (number(TABLE, 8), number(COUNT, 2)) else {
        return;
    };
    for header in file
        .get_mut(table..)
        .unwrap_or_default()
        .chunks_exact_mut(HEADER)
        .take(count)
    {
        if let Some(kind) = header.get_mut(TYPE..TYPE + 4)
            && *kind == SHT_RELR.to_le_bytes()
        {
            kind.copy_from_slice(&SHT_PROGBITS.to_le_bytes());
        }
    }
}

/// Puts a copy of `built` in place of `product` by a rename, so that running processes keep the old file.
/// A product with equal content stays as it is. `edit` changes the copy.
fn install(built: &Path, product: &Path, edit: fn(&mut [u8])) -> Result<()> {
    let mut content = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    edit(&mut content);
    if fs::read(product).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let folder = product.parent().context("a product lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let new = product.with_extension("new");
    // The copy has the mode; its content is then replaced by the edited one.
    fs::copy(built, &new).with_context(|| format!("cannot write {}", new.display()))?;
    fs::write(&new, content).with_context(|| format!("cannot write {}", new.display()))?;
    fs::rename(&new, product).with_context(|| format!("cannot replace {}", product.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_type_of_relr_sections_changes() {
        let mut file = vec![0u8; 64 + 2 * 64];
        file[40] = 64;
        file[60] = 2;
        file[64 + 4] = 19;
        file[128 + 4] = 11;
        let mut expected = file.clone();
        expected[64 + 4] = 1;
        with_known_sections(&mut file);
        assert_eq!(file, expected);
        // A table that is not there changes nothing.
        with_known_sections(&mut [0; 20]);
        let mut cut = vec![0xff; 64];
        with_known_sections(&mut cut);
        assert_eq!(cut, [0xff; 64]);
    }
}
