//! Where things are in the workspace, and how cargo is called in it.

use std::env;
use std::ffi::{OsStr, OsString};
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

/// Takes back what cargo has set for this process, so that a program is started as the user would start it: its own words, and the folders of the
/// build and of the toolchain that it puts before the user's LD_LIBRARY_PATH.
pub fn as_the_user(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os().filter(|(name, _)| is_cargos(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let Some(list) = env::var_os(LIBRARY_PATH) else {
        return command;
    };
    // This program lies in the build folder; rustc says where the toolchain is.
    let build = env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let rustc = Command::new("rustc").args(["--print", "sysroot"]).output();
    let toolchain = rustc.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let toolchain = toolchain.map(|path| PathBuf::from(path.trim_end()));
    let cargos: Vec<PathBuf> = build.into_iter().chain(toolchain).collect();
    match without(&list, &cargos) {
        Some(list) => command.env(LIBRARY_PATH, list),
        None => command.env_remove(LIBRARY_PATH),
    }
}

const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// Whether cargo sets a variable for what it runs (The Cargo Book, "Environment Variables").
fn is_cargos(name: &str) -> bool {
    let starts = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    name == "CARGO" || name == "RUST_RECURSION_COUNT" || starts.iter().any(|start| name.starts_with(start))
}

/// A list of folders without those at its beginning that lie below any of `ours`; `None` if nothing is left.
fn without(list: &OsStr, ours: &[PathBuf]) -> Option<OsString> {
    let is_ours = |folder: &PathBuf| ours.iter().any(|one| folder.starts_with(one));
    let rest: Vec<PathBuf> = env::split_paths(list).skip_while(is_ours).collect();
    env::join_paths(&rest).ok().filter(|_| !rest.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_had_in_the_library_path_is_left() {
        let ours = [PathBuf::from("/work/target/debug"), PathBuf::from("/rust")];
        let left = |list: &str| without(OsStr::new(list), &ours);
        assert_eq!(left("/work/target/debug/deps:/work/target/debug:/rust/lib"), None);
        assert_eq!(left("/work/target/debug/deps:/opt/lib:."), Some("/opt/lib:.".into()));
        // What the user wrote stays, even if it is ours.
        assert_eq!(left("/opt/lib:/rust/lib"), Some("/opt/lib:/rust/lib".into()));
    }

    #[test]
    fn variables_of_cargo_are_told_from_those_of_the_user() {
        assert!(is_cargos("CARGO") && is_cargos("CARGO_PKG_NAME") && is_cargos("CARGO_MANIFEST_DIR"));
        assert!(!is_cargos("CARGO_HOME") && !is_cargos("CARGO_TARGET_DIR") && !is_cargos("PATH"));
    }
}
