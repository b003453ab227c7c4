//! `cargo xtask test`: every test of the workspace against the loader as it is shipped, with one total at the end.

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{build, coverage, libcs, mutate, trees, workspace, zig};

/// The suite that takes rows out and makes them anew. It builds the loader twice, so it runs by its name only.
const ROWS: &str = "rows";
/// The suite that takes long: without it its tests have nothing to do.
const SOAK: &str = "soak";
/// The suite of which every few cases run otherwise.
const FAULTS: &str = "faults";

/// The suite of the small programs.
const PROGRAMS: &str = "programs";
/// The suite of damaged files.
const HOSTILE: &str = "hostile";

/// Switches of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Run only the tests whose name contains this
    filter: Option<String>,
    /// Run one suite: `unit` (beside the code), a test target of tests/, such as `programs`, or one of those that run by their name only. `trees`:
    /// programs of Debian releases in trees that LODE_TREES lists or that debootstrap makes. `upstream`: the same under a loader with the rows of
    /// glibc's own releases only. `rows`: the table without the installed glibc, and how it gets there. `soak`: an hour of threads, forks and
    /// signals (tests/soak.rs names the variables that shorten it). `faults` runs always, and by its name all of its cases. `packages`: the files of
    /// 300 native packages, fetched into the folder that LODE_PACKAGES names. `musl`: programs of musl with the libc of each release of Debian, and
    /// with programs of packages. `hostile` (damaged files in every mode of use) and `fuzz` (the decoders)
    /// make more when they are asked to
    #[arg(long)]
    suite: Option<String>,
    /// With `--suite trees`, only the tree of this release of Debian; `by-commit` stands for the one whose turn it is at the commit
    #[arg(long, value_name = "RELEASE")]
    tree: Option<String>,
    /// With `--suite hostile`, how many damaged files are tried in each mode of use
    #[arg(long, value_name = "N")]
    mutants: Option<u64>,
    /// What the suites that need numbers (`hostile`, `fuzz`) make them of; without it, the commit
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Disable each relocation arm and each refusal of tests/mutations.txt in turn; some test must fail
    #[arg(long)]
    mutate: bool,
    /// How all tests look up symbols: `walk` or `index`; without it, as lode decides for each start
    #[arg(long, value_name = "STRATEGY", value_parser = ["walk", "index"], conflicts_with = "mutate")]
    resolver: Option<String>,
    /// Print how many lines of the decoders the corpus of fuzz/ reaches
    #[arg(long, conflicts_with_all = ["mutate", "bless", "suite", "filter"])]
    coverage: bool,
    /// Write golden texts anew instead of comparing them
    #[arg(long, conflicts_with = "mutate")]
    bless: bool,
}

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Totals {
    /// Adds the numbers of a `test result:` line, as libtest and libtest-mimic print them; other lines add nothing.
    fn add(&mut self, line: &str) {
        let Some((_, numbers)) = line.split_once("test result: ").and_then(|(_, r)| r.split_once(". ")) else {
            return;
        };
        for part in numbers.split("; ") {
            let Some((count, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(count) = count.parse::<usize>() else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }
}

/// Runs the tests, or the mutations.
///
/// # Errors
/// The loader does not build, or cargo cannot be started. Failing tests are the answer, not an error.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.mutate {
        return mutate::run(arguments.filter.as_deref());
    }
    if arguments.coverage {
        return coverage::run();
    }
    let mut suite = arguments.suite.as_deref();
    let mut command = workspace::cargo();
    command.args(["test", "--no-fail-fast"]);
    let loader = if suite == Some(trees::UPSTREAM) {
        command.env(trees::ROWS, trees::UPSTREAM);
        suite = Some(trees::SUITE);
        build::upstream_rows_only()?
    } else {
        build::release()?
    };
    match suite {
        Some(trees::SUITE) => {
            command.env(trees::VARIABLE, trees::ready(arguments.tree.as_deref())?);
        }
        _ => ensure!(arguments.tree.is_none(), "--tree belongs to --suite {}", trees::SUITE),
    }
    match arguments.mutants {
        Some(count) if suite == Some(HOSTILE) => {
            command.env("LODE_HOSTILE_MUTANTS", count.to_string());
        }
        count => ensure!(count.is_none(), "--mutants belongs to --suite {HOSTILE}"),
    }
    if let Some(seed) = arguments.seed.or_else(trees::number_of_the_commit) {
        command.env("LODE_SEED", seed.to_string());
    }
    if let Some(resolver) = &arguments.resolver {
        // The first is for those that call lode's functions, and for those whose programs get an environment of their own.
        command.env("LODE_TEST_RULES", resolver);
        command.env("LODE_OPTIONS", format!("resolver={resolver}"));
    }
    if suite == Some(ROWS) {
        command.env("LODE_ROWS", "1");
    }
    if suite == Some(SOAK) {
        command.env("LODE_SOAK", "1");
    }
    let mut every_musl = None;
    if suite == Some(libcs::SUITE) {
        command.env(libcs::VARIABLE, libcs::ready()?);
        command.env(libcs::PACKAGES, libcs::packages()?);
        // Part of the name of each program of musl and of each test of this target.
        every_musl = Some("musl_");
    }
    if matches!(suite, None | Some(libcs::SUITE | PROGRAMS)) {
        let is_ci = env::var_os("CI").is_some_and(|value| value == "true");
        zig::tell(&mut command, is_ci || suite == Some(libcs::SUITE))?;
    }
    if suite == Some(FAULTS) {
        command.env("LODE_FAULTS", "1");
    }
    match suite {
        None => command.arg("--workspace"),
        // The interpreter's binary has no tests, and none can be built into it: it has its own panic handler.
        Some("unit") => command.args([
            "--package",
            "lode-bench",
            "--package",
            "ld-lode",
            "--package",
            "ld-lode-crt",
            "--package",
            "lode-scan",
            "--package",
            "lode-tests",
            "--package",
            "lode-tool",
            "--lib",
            "--bin",
            "lode-tool",
        ]),
        Some(libcs::SUITE) => command.args(["--package", "lode-tests", "--test", PROGRAMS, "--test", libcs::SUITE]),
        Some(suite) => command.args(["--package", "lode-tests", "--test", suite]),
    };
    if arguments.suite.as_deref() == Some(trees::SUITE) {
        // What the trees' libcs read is for the slow proof, which has all rows.
        command.args(["--test", "members"]);
    }
    command.arg("--");
    // What it measured is the answer, not only whether that was enough.
    let tells = arguments.mutants.is_some() || arguments.suite.as_deref() == Some(SOAK);
    command.args(tells.then_some("--nocapture"));
    command.args(arguments.filter.as_deref().or(every_musl));
    command
        .env("LODE_LOADER", &loader)
        .env("LODE_LIBCRT", workspace::libcrt())
        .env("LODE_TOOL", workspace::tool());
    if arguments.bless {
        command.env("LODE_BLESS", "1");
    }
    let (status, totals) = run_and_count(&mut command)?;
    println!(
        "{} passed, {} failed, {} skipped",
        totals.passed, totals.failed, totals.skipped
    );
    if status.success() && totals == Totals::default() {
        // No failure: a mutation that names no test must count as survived.
        eprintln!("xtask: no test has such a name");
    }
    // A test program that ended by a signal prints no result line: cargo's status still tells.
    let green = status.success() && totals.failed == 0;
    Ok(if green { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a command, passes its standard output on line by line and adds up the result lines in it.
fn run_and_count(command: &mut Command) -> Result<(ExitStatus, Totals)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo's output is a pipe")?;
    let mut totals = Totals::default();
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    // Bytes, not `lines()`: the output of a failing test need not be UTF-8.
    while reader.read_until(b'\n', &mut line)? > 0 {
        stdout().write_all(&line)?;
        totals.add(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok((child.wait()?, totals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up() {
        let mut totals = Totals::default();
        totals.add("test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 1 filtered out; finished in 0.10s");
        totals.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(
            totals,
            Totals {
                passed: 13,
                failed: 2,
                skipped: 3
            }
        );
    }

    #[test]
    fn other_lines_add_nothing() {
        let mut totals = Totals::default();
        totals.add("test scope::a_weak_symbol_is_zero ... ok");
        totals.add("running 5 tests");
        assert_eq!(totals, Totals::default());
    }
}
