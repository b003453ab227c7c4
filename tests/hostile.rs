//! Damaged files in every mode of use: nothing that a file says makes the loader crash, hang, panic, jump to a bad address or end without a word.
//!
//! Each number of a seed is one file with one to four changes in its headers and tables. A change of the seed is a change of all files; without one it is
//! always the same. `cargo xtask test` takes the seed from the commit; `cargo xtask test --suite hostile --mutants N --seed S` tries N files in each mode.
//!
//! | variable | what it says | without it |
//! |---|---|---|
//! | `LODE_LOADER`, `LODE_TOOL` | what is tested | what `cargo xtask build` left |
//! | `LODE_SEED` | the seed | 1 |
//! | `LODE_HOSTILE_MUTANTS` | how many files in each mode | 300 |
//! | `LODE_HOSTILE_KEEP` | a folder that gets a copy of each file with which something bad happened | no copies |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "hostile/campaign.rs"]
mod campaign;
#[path = "hostile/mutant.rs"]
mod mutant;
#[path = "hostile/specimens.rs"]
mod specimens;
mod tools;
#[path = "hostile/verdict.rs"]
mod verdict;
#[path = "hostile/watched.rs"]
mod watched;

use std::env;
use std::sync::{Mutex, PoisonError};

use campaign::{Mode, Stand};
use tools::{has, loader, tool};
use verdict::Verdict;

/// A campaign uses all processors: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Bad files that are told of.
const TOLD: usize = 20;

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = env::var(variable).unwrap_or_default();
    text.parse().unwrap_or(otherwise)
}

fn nothing_bad_happens(mode: Mode) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(loader), Some(tool), true) = (loader(), tool(), has("gcc")) else {
        return;
    };
    let seed = number("LODE_SEED", 1);
    let count = number("LODE_HOSTILE_MUTANTS", 300);
    let tally = Stand::new(loader, tool, seed).campaign(mode, count);
    println!("{mode:?}, {count} files, seed {seed}: {tally}");
    let told: Vec<&str> = tally.bad.iter().take(TOLD).map(String::as_str).collect();
    assert!(
        told.is_empty(),
        "seed {seed}: {} bad\n{}",
        tally.bad.len(),
        told.join("\n")
    );
    assert!(tally.runs_enough(), "lode refuses too many that others run");
}

#[test]
fn as_a_command() {
    nothing_bad_happens(Mode::Run);
}

#[test]
fn as_the_interpreter() {
    nothing_bad_happens(Mode::Interpreted);
}

#[test]
fn listed() {
    nothing_bad_happens(Mode::List);
}

#[test]
fn verified() {
    nothing_bad_happens(Mode::Verify);
}

#[test]
fn opened_by_a_running_program() {
    nothing_bad_happens(Mode::Dlopen);
}

#[test]
fn checked_by_lode_tool() {
    nothing_bad_happens(Mode::Check);
}

#[test]
fn shown_as_a_tree_by_lode_tool() {
    nothing_bad_happens(Mode::Tree);
}

#[test]
fn planned_by_lode_tool() {
    nothing_bad_happens(Mode::Plan);
}

#[test]
fn a_library_that_dies_of_what_it_does_itself_is_told_from_the_loader() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(loader), Some(tool), true) = (loader(), tool(), has("gcc")) else {
        return;
    };
    for (name, verdict, run) in Stand::new(loader, tool, 1).of_those_at_fault() {
        assert_eq!(verdict, Verdict::ObjectCrashed, "{name}: {:?} {}", run.end, run.errors);
    }
}

#[test]
fn a_list_with_a_warning_is_told_from_a_refusal() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(loader), Some(tool), true) = (loader(), tool(), has("gcc")) else {
        return;
    };
    let (verdict, run) = Stand::new(loader, tool, 1).of_one_by_the_name_of_its_library();
    assert_eq!(verdict, Verdict::Other, "{:?} {} {}", run.end, run.output, run.errors);
    assert!(
        run.errors.contains("no version information available"),
        "{}",
        run.errors
    );
}
