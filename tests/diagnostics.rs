//! What people read when something is wrong: every refusal of the loader provoked once, and its whole text compared with
//! a golden file in `tests/diagnostics/`. A golden file is a transcript: the command, what it wrote, how it ended. The same files are given to
//! `lode-tool check`, which has to name the same code without running anything; its texts are in `tests/diagnostics/check/`.
//!
//! The texts are part of the product. `cargo xtask test --bless` writes them anew; read the difference before you commit it.
//!
//! | part | what is wrong |
//! |---|---|
//! | `headers` | the file: its header, its segments |
//! | `tables` | what its dynamic section names: strings, symbols, versions, relocations |
//! | `content` | what its relocations would do |
//! | `process` | what is around it: libraries, versions and symbols that are missing, the command line, libc |
//! | `calls` | what a running program asks with `dlopen` and its family |
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `LODE_TOOL` | the lode-tool that is asked about the same files; without it the one that `cargo xtask build` left |
//! | `LODE_BLESS` | `1`: write the golden files instead of comparing them |

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "forging is for tests: what cannot be written panics")]

#[path = "diagnostics/calls.rs"]
mod calls;
#[path = "diagnostics/content.rs"]
mod content;
#[path = "diagnostics/coverage.rs"]
mod coverage;
#[path = "runner/execution.rs"]
mod execution;
#[path = "diagnostics/headers.rs"]
mod headers;
#[path = "diagnostics/process.rs"]
mod process;
#[path = "diagnostics/stand.rs"]
mod stand;
#[path = "diagnostics/tables.rs"]
mod tables;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};
use stand::{Case, Stand};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One at a time: a process that one test starts while another writes its program holds that file open, and then the
    // kernel does not execute it (ETXTBSY).
    arguments.test_threads = Some(1);
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let loader =
        env::var_os("LODE_LOADER").map_or_else(|| package.join("../target/lode/ld-lode-x86_64.so.1"), PathBuf::from);
    let goldens = package.join("diagnostics");
    let bless = env::var("LODE_BLESS").is_ok_and(|value| value == "1");
    let stand = match Stand::open(&loader, tools::tool()) {
        Ok(stand) => Arc::new(stand),
        Err(error) => {
            eprintln!("diagnostics: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut cases = Vec::new();
    headers::cases(&mut cases);
    tables::cases(&mut cases);
    content::cases(&mut cases);
    process::cases(&mut cases);
    calls::cases(&mut cases);

    let table = coverage::Table::of(&cases);
    let mut trials = Vec::new();
    for case in cases {
        let missing = case.needs.iter().find(|path| !Path::new(path).exists());
        if let Some(missing) = missing.copied().or(case.missing) {
            let trial = Trial::test(case.name, || Ok(()));
            trials.push(trial.with_kind(format!("no {missing}")).with_ignored_flag(true));
            continue;
        }
        let stand = Arc::clone(&stand);
        let goldens = goldens.clone();
        trials.push(Trial::test(case.name, move || {
            examine(&case, &stand, &goldens, bless).map_err(Failed::from)
        }));
    }
    // The last one, because it reads the golden files, which the others may have written anew.
    trials.push(Trial::test("every_code_has_a_case_and_a_page", move || {
        let problems = table.problems(package, bless);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Failed::from(problems.join("\n"))),
        }
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` would skip the destructor that removes the temporary folder.
    if conclusion.has_failed() {
        ExitCode::from(101)
    } else {
        ExitCode::SUCCESS
    }
}

/// Provokes one refusal and holds its texts against the golden ones.
fn examine(case: &Case, stand: &Stand, goldens: &Path, bless: bool) -> Result<(), String> {
    let seen = stand.see(case)?;
    let file = |folder: &str| goldens.join(folder).join(case.name).with_extension("txt");
    compare(&file(""), &seen.transcript, bless)?;
    match seen.checked {
        Some(checked) => compare(&file("check"), &checked, bless),
        None => Ok(()),
    }
}

/// Holds a text against a golden one, or writes it.
fn compare(golden: &Path, found: &str, bless: bool) -> Result<(), String> {
    if bless {
        return fs::write(golden, found).map_err(|error| format!("{}: {error}", golden.display()));
    }
    let expected = fs::read_to_string(golden).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{} differs; `cargo xtask test --suite diagnostics --bless` writes it anew\n--- expected\n{expected}--- found\n{found}---",
        golden.display()
    ))
}
