//! The long versions of `stress.rs`, by `cargo xtask test --suite soak`; without LODE_SOAK there is nothing to do.
//!
//! | variable | what it says | without it |
//! |---|---|---|
//! | `LODE_SOAK_SECONDS` | how long threads and children run together, and each loader for the comparison of rates | 30 |
//! | `LODE_SOAK_CHILDREN` | children of fork | 10,000 |
//! | `LODE_SOAK_OPENINGS` | libraries opened and closed | 10,000,000 |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "stress/workshop.rs"]
mod workshop;

mod tools;

use std::env;
use std::process::Command;
use std::sync::Mutex;

use tools::succeed;
use workshop::{PLUGS, Workshop, number};

/// Programs of `tests/programs/` that look at parts of an operation step by step, and at all of it when they are asked to.
const STEPPED: [&str; 3] = [
    "glibc_signal_at_every_step",
    "glibc_open_in_a_handler_at_every_step",
    "glibc_fork_at_every_step",
];

/// Rates are measured one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// How much of something is asked for. `None` outside of the suite.
fn wanted(variable: &str, otherwise: &str) -> Option<String> {
    env::var_os("LODE_SOAK")?;
    Some(env::var(variable).unwrap_or_else(|_| otherwise.to_owned()))
}

fn everything(command: &mut Command, seconds: &str, openings: &str, children: &str) -> String {
    succeed(command.args([seconds, openings, children, &PLUGS.to_string()]))
}

#[test]
fn threads_and_children_find_nothing_wrong() {
    let Some(seconds) = wanted("LODE_SOAK_SECONDS", "30") else {
        return;
    };
    let _alone = ALONE.lock();
    let Some(workshop) = Workshop::open() else { return };
    workshop.compile_everything();
    let line = everything(&mut workshop.tested("everything"), &seconds, "0", "1");
    print!("with forks, lode: {line}");
    assert!(line.contains("wrong 0, bad children 0"), "{line}");
    // The rates without forks, because a child that hangs under the system's loader would leave its threads alone. In turns, for the machine has other work; and
    // told only, because what else it has to do decides what comes out.
    let mut rates = (0.0, 0.0);
    for _ in 0..3 {
        let ours = everything(&mut workshop.tested("everything"), &seconds, "0", "0");
        let system = everything(&mut workshop.system("everything"), &seconds, "0", "0");
        print!("lode: {ours}system's: {system}");
        assert!(ours.contains("wrong 0"), "{ours}");
        rates.0 += number(&ours, "a second");
        rates.1 += number(&system, "a second");
    }
    println!(
        "openings a second, ratio to the system's loader: {:.2}",
        rates.0 / rates.1
    );
}

#[test]
fn no_child_hangs() {
    let Some(children) = wanted("LODE_SOAK_CHILDREN", "10000") else {
        return;
    };
    let _alone = ALONE.lock();
    let Some(workshop) = Workshop::open() else { return };
    workshop.compile_everything();
    let line = everything(&mut workshop.tested("everything"), "0", "0", &children);
    print!("{line}");
    assert!(line.contains("wrong 0, bad children 0"), "{line}");
}

#[test]
fn a_signal_or_a_fork_at_every_single_instruction_finds_nothing_wrong() {
    if wanted("LODE_SOAK", "").is_none() {
        return;
    }
    let _alone = ALONE.lock();
    let Some(workshop) = Workshop::open() else { return };
    let needed = "glibc_signal_at_every_step/needed.cc";
    let libraries: [(&str, &str, &[&str]); 4] = [
        ("libneeded.so", needed, &[]),
        ("libplain.so", "glibc_signal_at_every_step/plain.cc", &["libneeded.so"]),
        ("libother.so", needed, &[]),
        ("libvalue.so", "glibc_fork_at_every_step/value.cc", &[]),
    ];
    for program in STEPPED {
        workshop.compile_behaviour(program, &libraries);
        let lines = succeed(workshop.tested(program).env("LODE_STEPS", "all"));
        print!("{program}\n{lines}");
        assert!(!lines.contains("enough 0"), "{lines}");
        assert!(
            lines
                .lines()
                .all(|line| !line.contains("wrong ") || line.contains("wrong 0")),
            "{lines}"
        );
    }
}

#[test]
fn a_million_symbols_are_found() {
    if wanted("LODE_SOAK", "").is_none() {
        return;
    }
    let _alone = ALONE.lock();
    let Some(workshop) = Workshop::open() else { return };
    let line = workshop.look_up_in_many_symbols(1_000_000);
    assert_eq!(line, "found 1000 of 1000, absent 1000 of 1000\n");
}

#[test]
fn many_openings_find_nothing_wrong() {
    let Some(openings) = wanted("LODE_SOAK_OPENINGS", "10000000") else {
        return;
    };
    let _alone = ALONE.lock();
    let Some(workshop) = Workshop::open() else { return };
    workshop.compile_everything();
    let line = everything(&mut workshop.tested("everything"), "0", &openings, "0");
    print!("{line}");
    assert!(line.contains("wrong 0"), "{line}");
}
