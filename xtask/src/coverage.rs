//! `cargo xtask test --coverage`: how much of the decoders (`loader/src/elf`) the corpus of `fuzz/` reaches, by lines.
//!
//! The compiler counts (`-C instrument-coverage`); `llvm-profdata` and `llvm-cov` read what it wrote, so they have to be of its LLVM: the toolchain's
//! component `llvm-tools`, or a Debian package `llvm-N` of the same number.

use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::workspace;

/// The least share of lines, in hundredths.
const LEAST: u64 = 95;

/// Runs the corpus, and prints the lines of each decoder and those that it did not reach.
///
/// # Errors
/// There are no tools for the compiler's format, or the corpus finds something wrong. Too few lines are the answer, not an error.
pub fn run() -> Result<ExitCode> {
    let tools = ["llvm-profdata", "llvm-cov"].map(tool);
    let [profdata, cov] = tools;
    let (profdata, cov) = (profdata?, cov?);
    let folder = workspace::products().join("coverage");
    let raw = folder.join("raw");
    if raw.exists() {
        fs::remove_dir_all(&raw)?;
    }
    let mut command = workspace::cargo();
    command
        .args([
            "test",
            "--package",
            "lode-tests",
            "--test",
            "fuzz",
            "--message-format",
            "json",
        ])
        .env("RUSTFLAGS", "-C instrument-coverage")
        .env("CARGO_TARGET_DIR", &folder)
        .env("LLVM_PROFILE_FILE", raw.join("%p-%m.profraw"));
    let built = command.args(["--no-run"]).output().context("cannot start cargo")?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = executable(&built.stdout).context("cargo names no test program")?;
    let status = workspace::status(
        Command::new(&program)
            .arg("corpus_finds_nothing_wrong")
            .current_dir(workspace::root().join("tests"))
            .env("LLVM_PROFILE_FILE", raw.join("%p.profraw")),
    )?;
    ensure!(status.success(), "the corpus finds something wrong");
    let merged = folder.join("merged.profdata");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&raw)? {
        files.push(entry?.path());
    }
    said(
        Command::new(profdata)
            .args(["merge", "-sparse", "-o"])
            .arg(&merged)
            .args(files),
    )?;
    let report = said(
        Command::new(cov)
            .args(["export", "--format=lcov", "--instr-profile"])
            .arg(&merged)
            .arg(&program)
            .arg(workspace::root().join("loader/src/elf")),
    )?;
    Ok(print(&lines(&report)))
}

/// A tool of LLVM that reads what the compiler writes.
fn tool(name: &str) -> Result<PathBuf> {
    let rustc = |arguments: &[&str]| -> Result<String> { said(Command::new("rustc").args(arguments)) };
    let libraries = PathBuf::from(rustc(&["--print", "target-libdir"])?.trim_end());
    let component = libraries.with_file_name("bin").join(format!("{name}{EXE_SUFFIX}"));
    if component.is_file() {
        return Ok(component);
    }
    let version = rustc(&["-vV"])?;
    let major = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next())
        .context("rustc does not say which LLVM it has")?;
    let package = PathBuf::from(format!("/usr/lib/llvm-{major}/bin/{name}"));
    if !package.is_file() {
        bail!("there is no {name} of LLVM {major}: `rustup component add llvm-tools`, or the package llvm-{major}");
    }
    Ok(package)
}

/// What a command wrote.
fn said(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?}: {errors}", command.get_program());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The test program among cargo's messages.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(messages);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == "fuzz" && message["profile"]["test"] == true)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// How often each line of each file ran (`SF:` and `DA:` of lcov's format).
fn lines(report: &str) -> BTreeMap<String, BTreeMap<u64, u64>> {
    let mut files: BTreeMap<String, BTreeMap<u64, u64>> = BTreeMap::new();
    let mut file = String::new();
    for line in report.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            file = path.rsplit('/').next().unwrap_or(path).to_owned();
        }
        let count = line.strip_prefix("DA:").and_then(|rest| rest.split_once(','));
        if let Some((Ok(number), Ok(count))) = count.map(|(number, count)| (number.parse(), count.parse::<u64>())) {
            *files.entry(file.clone()).or_default().entry(number).or_default() += count;
        }
    }
    files
}

fn print(files: &BTreeMap<String, BTreeMap<u64, u64>>) -> ExitCode {
    let (mut reached, mut all) = (0, 0);
    for (file, lines) in files {
        let missed: Vec<String> = lines
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(line, _)| line.to_string())
            .collect();
        println!(
            "{file:12} {:4} of {:4}  {}",
            lines.len() - missed.len(),
            lines.len(),
            missed.join(" ")
        );
        reached += lines.len() - missed.len();
        all += lines.len();
    }
    let share = (reached as u64 * 1000).checked_div(all as u64).unwrap_or_default();
    println!(
        "elf/: {reached} of {all} lines, {}.{} % (at least {LEAST})",
        share / 10,
        share % 10
    );
    match share >= LEAST * 10 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_line_add_up() {
        let report = "SF:/x/elf/a.rs\nFN:3,f\nDA:3,2\nDA:4,0\nend_of_record\nSF:/x/elf/a.rs\nDA:3,1\n";
        let files = lines(report);
        assert_eq!(files["a.rs"], BTreeMap::from([(3, 3), (4, 0)]));
    }
}
