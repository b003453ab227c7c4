//! `cargo xtask tables --verify`, for the installed libc and for one that is refused.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../tests/tools.rs"]
mod tools;

use std::fs;
use std::path::Path;
use std::process::Command;

use temp_dir::TempDir;
use tools::{run, skip, text, unsupported};

const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";

/// The status, what was printed, and what was complained of.
fn verify(arguments: &[&Path]) -> (Option<i32>, String, String) {
    let output = run(Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["tables", "--verify"])
        .args(arguments));
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_libc_is_scanned_and_has_a_line() {
    if !Path::new(LIBC).exists() {
        return skip("no libc.so.6 where Debian has it");
    }
    let (status, lines, error) = verify(&[Path::new(LIBC), Path::new(LIBC)]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(
        lines
            .lines()
            .all(|line| line.starts_with(LIBC) && line.ends_with(" files, all filled or rightly left"))
    );
    let (status, installed, _) = verify(&[]);
    assert_eq!((status, installed.lines().count()), (Some(0), 1), "{installed}");
}

#[test]
fn a_libc_that_lode_refuses_cannot_be_proven() {
    let Ok(libc) = fs::read(LIBC) else {
        return skip("no libc.so.6 where Debian has it");
    };
    let folder = TempDir::with_prefix("lode-tables-").unwrap();
    let forged = folder.child("libc.so.6");
    fs::write(&forged, unsupported(&libc)).unwrap();
    let (status, lines, error) = verify(&[&forged]);
    assert_eq!((status, lines.as_str()), (Some(1), ""), "{error}");
    let start = format!("xtask: {}: lode does not support it: glibc 2.", forged.display());
    assert!(error.starts_with(&start), "{error}");
    let (status, _, error) = verify(&[Path::new("--all")]);
    assert_eq!(status, Some(1));
    assert!(error.starts_with("xtask: unknown option --all\nusage: "), "{error}");
}
