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
const BESIDES: &[(&str, &str)] = &[(
    "fstat",
    "glibc asks for a file's size by fstat or by newfstatat, as its release has it, and programs by both",
)];

/// As [`BESIDES`], where lode is the command and the kernel has not asked for the right to execute the program.
const BESIDES_AS_COMMAND: &[(&str, &str)] = &[(
    "faccessat",
    "a program that the user may not execute is refused; where the call is refused, it is run, as under glibc",
)];

/// A program that does nothing, so that all calls but the last are the loader's and libc's.
const PROGRAM: &str = "int main(void) { return 0; }\n";

/// Compares the traces of one program under both loaders, started by the kernel and by the loader as a command. `None` where strace is not installed.
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
    let program = |name: &str, interpreter: &Path| -> Result<String> {
        let (source, built) = (folder.join("program.c"), folder.join(name));
        fs::write(&source, PROGRAM)?;
        let interpreter = format!("-Wl,--dynamic-linker={}", interpreter.display());
        let status = Command::new("gcc")
            .arg(interpreter)
            .arg("-o")
            .arg(&built)
            .arg(&source)
            .status()?;
        ensure!(status.success(), "gcc: {status}");
        Ok(built.display().to_string())
    };
    let (system, ours) = (program("system", Path::new(SYSTEM))?, program("ours", loader)?);
    let loader = loader.display().to_string();
    let mut findings = Vec::new();
    for (mode, theirs, ours, also) in [
        ("interpreter", vec![&*system], vec![&*ours], &[][..]),
        (
            "command",
            vec![SYSTEM, &system],
            vec![&loader, &system],
            BESIDES_AS_COMMAND,
        ),
    ] {
        let known = calls(&theirs, folder)?;
        let reasons: Vec<&(&str, &str)> = BESIDES.iter().chain(also).collect();
        for call in calls(&ours, folder)?.difference(&known) {
            match reasons.iter().find(|(name, _)| name == call) {
                Some((_, reason)) => println!("  {mode}: {call}: {reason}"),
                None => findings.push(format!("{mode}: {call} is not called under glibc's loader")),
            }
        }
    }
    Ok(findings)
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
