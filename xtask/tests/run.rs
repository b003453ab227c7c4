//! `cargo xtask run` on a host whose libc lode does not start: what it says, and that there is a program which runs all the same.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../tests/tools.rs"]
mod tools;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

use temp_dir::TempDir;
use tools::{has, run, skip, succeed, text, unsupported};

const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";
/// musl's libc, where Debian has it.
const MUSL: &str = "/usr/lib/x86_64-linux-musl/libc.so";

/// The line that is added to the loader's own.
const OFFER: &str = include_str!("run/offer.txt");

/// `cargo xtask run` with these arguments, where libraries come from `libraries` first. One at a time, because each looks whether the loader is up
/// to date.
fn xtask(arguments: &[&str], libraries: &Path) -> Output {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    run(Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("run")
        .args(arguments)
        .env("LD_LIBRARY_PATH", libraries))
}

#[test]
fn a_glibc_that_is_refused_is_said_to_be_and_the_demo_is_offered() {
    let Ok(libc) = fs::read(LIBC) else {
        return skip("no libc.so.6 where Debian has it");
    };
    let folder = TempDir::with_prefix("lode-run-").unwrap();
    let forged = folder.child("libc.so.6");
    fs::write(&forged, unsupported(&libc)).unwrap();
    for switches in [&["/bin/true"][..], &["--as-interp", "/bin/true"]] {
        let output = xtask(switches, folder.path());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(127), "{error}");
        assert_eq!(text(&output.stdout), "");
        // Between them are the facts of this libc, which another suite has.
        let forged = forged.display();
        let first = format!("/bin/true: error while loading shared libraries: {forged}: this build of glibc (2.");
        assert!(error.starts_with(&first), "{error}");
        assert!(
            error.contains(&format!("\nlode[E0210]: {forged}, needed by /bin/true\n")),
            "{error}"
        );
        assert!(
            error.contains("\n  fix: add a row for this build with `cargo xtask tables DEBUGFILE`"),
            "{error}"
        );
        assert!(error.ends_with(&format!("\n{OFFER}")), "{error}");
    }
}

#[test]
fn a_program_of_musl_runs() {
    if !Path::new(MUSL).exists() {
        return skip("no musl where Debian has it");
    }
    if !has("gcc") {
        return;
    }
    let folder = TempDir::with_prefix("lode-run-").unwrap();
    fs::write(
        folder.child("main.c"),
        "int puts(char *); int fflush(void *); void _Exit(int); void _start(void) { puts(\"musl\"); fflush(0); _Exit(0); }",
    )
    .unwrap();
    succeed(
        Command::new("gcc")
            .args([
                "-nostdlib",
                "-nostartfiles",
                "-fno-stack-protector",
                "main.c",
                MUSL,
                "-o",
                "main",
            ])
            .arg("-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
            .current_dir(folder.path()),
    );
    let program = folder.child("main");
    let output = xtask(&[program.to_str().unwrap()], folder.path());
    assert_eq!(
        (text(&output.stdout), output.status.code()),
        ("musl\n".to_owned(), Some(0)),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn where_no_libc_is_found_the_demo_is_offered() {
    let folder = TempDir::with_prefix("lode-run-").unwrap();
    let program = folder.child("true");
    // The same program, for a libc that this host has no file of.
    fs::copy("/bin/true", &program).unwrap();
    let mut bytes = fs::read(&program).unwrap();
    let name = b"\0libc.so.6\0";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(b"\0ld-musl-x\0");
    fs::write(&program, bytes).unwrap();
    let program = program.to_str().unwrap();
    let output = xtask(&[program], folder.path());
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(127), "{error}");
    assert!(error.contains("\nlode[E0201]: ld-musl-x, needed by "), "{error}");
    assert!(error.ends_with(&format!("\n{OFFER}")), "{error}");
}

#[test]
fn a_program_that_fails_for_another_reason_is_offered_nothing() {
    let folder = TempDir::with_prefix("lode-run-").unwrap();
    let output = xtask(&["/bin/false"], folder.path());
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), ""));
    let output = xtask(&["/etc/passwd"], folder.path());
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(126), "{error}");
    assert!(!error.contains("--demo"), "{error}");
}

#[test]
fn the_demo_runs_where_no_libc_does() {
    if !has("cc") {
        return;
    }
    let Ok(libc) = fs::read(LIBC) else {
        return skip("no libc.so.6 where Debian has it");
    };
    let folder = TempDir::with_prefix("lode-run-").unwrap();
    fs::write(folder.child("libc.so.6"), unsupported(&libc)).unwrap();
    let output = xtask(&["--demo"], folder.path());
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), include_str!("run/demo.txt"));
    assert!(output.status.success());
}
