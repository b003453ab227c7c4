//! Where things are in the workspace, and how cargo is called in it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

/// The workspace's root folder.
pub fn root() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// Copies the sources of the workspace into a folder.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_to(folder: &Path) -> Result<()> {
    let root = root();
    let sources = WalkDir::new(&root).min_depth(1).into_iter();
    for entry in sources.filter_entry(|entry| !["target", ".git"].iter().any(|name| entry.file_name() == *name)) {
        let entry = entry?;
        let copy = folder.join(entry.path().strip_prefix(&root)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&copy)
        } else {
            fs::copy(entry.path(), &copy).map(|_| ())
        }
        .with_context(|| format!("cannot copy {}", entry.path().display()))?;
    }
    Ok(())
}

/// Where `cargo xtask build` leaves what it made, whatever cargo's own target folder is.
pub fn products() -> PathBuf {
    root().join("target/lode")
}

/// The stripped release loader.
pub fn loader() -> PathBuf {
    products().join("ld-lode-x86_64.so.1")
}

/// The loader of the development profile, with its symbols.
pub fn debug_loader() -> PathBuf {
    products().join("debug/ld-lode-x86_64.so.1")
}

/// The C library of freestanding programs.
pub fn libcrt() -> PathBuf {
    products().join("libcrt.a")
}

/// The command that installs the loader.
pub fn tool() -> PathBuf {
    products().join("lode-tool")
}

/// The cargo that runs us, started in the workspace's root.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command with our own standard streams.
///
/// # Errors
/// The command cannot be started. How it ended is the answer, not an error.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// Runs `cargo` with `arguments` and returns the file that it says to have made whose name ends in `suffix`.
///
/// # Errors
/// cargo fails, or names no such file.
pub fn cargo_artifact(arguments: &[&str], environment: &[(&str, &str)], suffix: &str) -> Result<PathBuf> {
    let output = cargo()
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .envs(environment.iter().copied())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    let mut found = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        for file in message["filenames"].as_array().into_iter().flatten() {
            if let Some(name) = file.as_str().filter(|name| name.ends_with(suffix)) {
                found = Some(PathBuf::from(name));
            }
        }
    }
    found.with_context(|| format!("`cargo {}` made no file that ends in `{suffix}`", arguments.join(" ")))
}
