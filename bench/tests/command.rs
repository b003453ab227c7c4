//! The command from outside: it finds out who does not relocate, its reports agree, and lode does not get dearer.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../tests/tools.rs"]
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use bench::assembler::{self, INTERPRETER};
use bench::comparison::{Binding, Plan};
use bench::gates;
use bench::loader::{Mode, Named};
use bench::row::ROWS;
use serde_json::Value;
use temp_dir::TempDir;
use tools::{has, loader, run, skip, succeed, text};

/// A loader that is the fastest: it starts no program. To whom looks at its output it gives what the verifier of a program without relocations writes.
const FAKE: &str = "\
.globl _start
.text
_start: push $0
 mov %rsp,%rsi
 mov $8,%edx
 mov $1,%edi
 mov $1,%eax
 syscall
 mov $60,%eax
 xor %edi,%edi
 syscall
";

/// The one folder of generated files for all tests: they take some seconds.
fn inputs() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-inputs");
    fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

fn bench(arguments: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_lode-bench"))
        .arg("--inputs")
        .arg(inputs())
        .args(arguments))
}

/// What came of a run, for all tests.
struct Report {
    output: Output,
    json: Value,
    page: PathBuf,
}

/// Three tiny rows under the system's loader, the same once more, and a fake.
fn three_rows() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| measured(&inputs()))
}

fn measured(folder: &Path) -> Report {
    let fake = folder.join("fake");
    let object = folder.join("fake.o");
    assembler::object(FAKE, &object).unwrap();
    assembler::run(Command::new("ld").arg("-static").arg("-o").arg(&fake).arg(&object)).unwrap();
    let (json, html) = (folder.join("report.json"), folder.join("report.html"));
    let output = bench(&[
        "empty",
        "small-10",
        "ifunc-10k",
        "--quick",
        "--rounds=2",
        &format!("--loader=glibc={INTERPRETER}"),
        &format!("--loader=same={INTERPRETER}"),
        &format!("--loader=fake={}", fake.display()),
        &format!("--json={}", json.display()),
        &format!("--html={}", html.display()),
    ]);
    let report = fs::read_to_string(&json).unwrap_or_else(|_| panic!("{output:?}"));
    Report {
        output,
        json: serde_json::from_str(&report).unwrap(),
        page: html,
    }
}

/// The figures of a loader in a row.
fn figures<'a>(report: &'a Value, row: &str, loader: &str) -> &'a Value {
    let named = |list: &'a Value, name: &str| list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    named(&named(&report["rows"], row)["contenders"], loader)
}

#[test]
fn who_does_not_relocate_is_found_out() {
    let Report {
        output, json: report, ..
    } = three_rows();
    assert!(!output.status.success());
    assert!(text(&output.stdout).contains("NOT SOUND: fake"), "{output:?}");
    assert_eq!(report["unsound"][0]["name"], "fake");
    for row in ["small-10", "ifunc-10k"] {
        assert!(
            figures(report, row, "fake")["refused"]
                .as_str()
                .unwrap()
                .contains("wrong result")
        );
        assert!(figures(report, row, "fake")["value"].is_null());
    }
    // Where there is nothing to relocate it does win, and yet no goal is judged.
    assert!(figures(report, "empty", "fake")["refused"].is_null());
    assert!(figures(report, "empty", "fake")["verdicts"][0]["met"].is_null());
}

#[test]
fn who_relocates_is_timed_and_counted() {
    let report = &three_rows().json;
    assert_eq!(report["schema"], 1);
    for row in ["empty", "small-10", "ifunc-10k"] {
        for loader in ["glibc", "same"] {
            let figures = figures(report, row, loader);
            assert!(figures["refused"].is_null(), "{figures}");
            assert_eq!(figures["values"].as_array().unwrap().len(), 2);
            assert!(figures["counts"]["calls"].as_u64() > Some(5) && figures["ratio"]["median"].as_f64() > Some(0.0));
        }
    }
    let calls = |loader| figures(report, "small-10", loader)["counts"]["calls"].as_u64();
    assert_eq!(calls("glibc"), calls("same"));
    assert!(calls("bound") < calls("glibc"));
}

#[test]
fn the_page_shows_a_bar_for_each_ratio() {
    let names = ["chromium-headless-shell", "chromium"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&&str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let Some(browser) = names.iter().find(is_there) else {
        return skip("no chromium-headless-shell is installed");
    };
    let page = format!("file://{}", three_rows().page.display());
    let profile = TempDir::new().unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    let document = succeed(command.arg(page));
    // `same` in three rows, `fake` in the one without relocations.
    assert_eq!(document.matches("<circle").count(), 4, "{document}");
    assert_eq!(document.matches("</svg>").count(), 1);
    assert!(!document.contains("NaN") && document.contains("id=\"prices\""));
}

#[test]
fn rows_are_listed_and_unknown_ones_refused() {
    let listed = text(&bench(&["--list", "small"]).stdout);
    assert_eq!(listed, "small-10\nsmall-100\nsmall-1000\n");
    let refused = bench(&["no-such-row"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(text(&refused.stderr), "bench: no row has such a name\n");
}

#[test]
fn lode_does_not_get_dearer() {
    let Some(path) = loader().filter(|_| has("valgrind")) else {
        return;
    };
    let named = |name: &str, path: PathBuf| Named {
        name: name.to_owned(),
        path,
        variables: Vec::new(),
    };
    let plan = Plan {
        loaders: vec![named("glibc", INTERPRETER.into()), named("lode", path)],
        rows: ROWS.to_vec(),
        rounds: 1,
        mode: Mode::Interp,
        binding: Binding::Now,
        instructions: true,
        inputs: inputs(),
    };
    let counted = gates::count(&plan, gates::HELD).unwrap();
    assert_eq!(counted.len(), gates::HELD.len());
    assert!(
        counted.iter().all(|gate| gate.counted.is_ok() && !gate.is_missed()),
        "{}",
        gates::text(&counted)
    );
}
