//! Whether a start makes system calls that it does not make under glibc's loader: a filter that was made for that one has to let lode pass.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Where the psABI has the system's loader.
const SYSTEM: &str = "/lib64/ld-linux-x86-64.so.2";

/// What lode calls besides, and why a filter has it all the same.
const BESIDES: &[(&str, &str)] = &[
    (
        "fstat",
        "glibc asks for a file's size by fstat or by newfstatat, as its release has it, and programs by both",
    ),
    (
        "pread64",
        "glibc reads what of a file's headers is not in its first bytes so, which libc.so.6 has since 2.33",
    ),
    (
        "readlinkat",
        "glibc asks for $ORIGIN by readlink, or since 2.43 by readlinkat",
    ),
];

/// Programs that need a library and do nothing, with the words for the compiler: all calls but the last are the loader's and libc's, or the loader's alone.
const PROGRAMS: &[(&str, &str, &[&str])] = &[
    ("with libc", "int main(void) { return 0; }\n", &[]),
    (
        "without libc",
        "void _start(void) { __asm__(\"syscall\" : : \"a\"(60), \"D\"(0)); }\n",
        &[
            "-nostdlib",
            "-pie",
            "-fPIE",
            "-Wl,--no-as-needed,-rpath,$ORIGIN",
            "libneeded.so",
        ],
    ),
];

/// Compares the traces of programs under both loaders, started by the kernel and by the loader as a command. `None` where strace is not installed.
///
/// # Errors
/// The program cannot be compiled or traced.
pub fn examine(loader: &Path) -> Result<Option<Vec<String>>> {
    if Command::new("strace").arg("--version").output().is_err() {
        ensure!(env::var("CI").as_deref() != Ok("true"), "strace is not installed");
        return Ok(None);
    }
    let folder = env::temp_dir().join(format!("lode-calls-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let compared = compare(loader, &folder);
    fs::remove_dir_all(&folder)?;
    compared.map(Some)
}

fn compare(loader: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    compile(
        "int needed;\n",
        folder,
        "libneeded.so",
        &["-shared", "-fPIC", "-nostdlib"],
    )?;
    for (what, source, flags) in PROGRAMS {
        let program = |name: &str, interpreter: &Path| -> Result<String> {
            let interpreter = format!("-Wl,--dynamic-linker={}", interpreter.display());
            compile(source, folder, name, &[flags, &[&*interpreter][..]].concat())
        };
        let (system, ours) = (program("system", Path::new(SYSTEM))?, program("ours", loader)?);
        let loader = loader.display().to_string();
        for (mode, theirs, ours) in [
            ("interpreter", vec![&*system], vec![&*ours]),
            ("command", vec![SYSTEM, &system], vec![&loader, &system]),
        ] {
            for call in beyond(&calls(&ours, folder)?, &calls(&theirs, folder)?) {
                findings.push(format!("{mode}, {what}: {call} is not called under glibc's loader"));
            }
        }
    }
    Ok(findings)
}

/// Compiles a source text into the file NAME of the folder.
fn compile(source: &str, folder: &Path, name: &str, flags: &[&str]) -> Result<String> {
    fs::write(folder.join("source.c"), source)?;
    let mut command = Command::new("gcc");
    let status = command
        .args(["source.c", "-o", name])
        .args(flags)
        .current_dir(folder)
        .status()?;
    ensure!(status.success(), "gcc: {status}");
    Ok(folder.join(name).display().to_string())
}

/// The calls that are neither among the known ones nor among [`BESIDES`].
fn beyond(ours: &BTreeSet<String>, known: &BTreeSet<String>) -> Vec<String> {
    let has_reason = |call: &str| {
        let reason = BESIDES.iter().find(|(name, _)| *name == call);
        reason.is_some_and(|(_, reason)| {
            println!("  {call}: {reason}");
            true
        })
    };
    ours.difference(known)
        .filter(|call| !has_reason(call))
        .cloned()
        .collect()
}

/// The names of the system calls of a command.
fn calls(command: &[&str], folder: &Path) -> Result<BTreeSet<String>> {
    let trace = folder.join("trace");
    let status = Command::new("strace")
        .arg("-qq")
        .arg("-o")
        .arg(&trace)
        .args(command)
        .status()?;
    ensure!(status.success(), "{command:?} under strace: {status}");
    let text = fs::read_to_string(&trace).context("no trace")?;
    let names = text.lines().filter_map(|line| line.split_once('('));
    Ok(names.map(|(name, _)| name.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_more_is_found_unless_it_has_a_reason() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (known, ours) = (set(&["mmap", "openat"]), set(&["fstat", "madvise", "mmap"]));
        assert_eq!(beyond(&ours, &known), ["madvise"]);
        assert!(beyond(&known, &known).is_empty());
    }
}
