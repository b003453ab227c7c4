//! README.md and the pages of docs/ are tried: each command that they show is run, and what it writes is held against what stands there.
//!
//! A fenced block that is marked `console` has commands behind `$ `, each followed by what it writes; one that is marked `sh` has commands that have to succeed. Any
//! other block is a text. The blocks of a page run in their order and in one folder. A line before a block may say more:
//!
//! | line | what it says |
//! |---|---|
//! | `<!-- in: NAME -->` | the block runs in the folder that `tests/book/NAME.sh` makes, which the blocks of the page that name it have in common |
//! | `<!-- not run: WHY -->` | the block is not run; `tests/book/not-run.txt` lists all of them |
//! | `<!-- tests/... -->` | the block is a part of that file, which another test holds against what a command writes |
//!
//! In what a command writes, `...` stands for lines and `[..]` for a part of a line that differ from machine to machine. Numbers that differ anyway need no such mark:
//! addresses (hexadecimal, three digits or more) and times. The folder is called `/srv/app`. A status other than 0 stands behind the output, as in
//! `[exit 3]`.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER`, `LODE_TOOL`, `LODE_LIBCRT` | what is under test; without it what `cargo xtask build` left |
//! | `LODE_BLESS` | `1`: write the list of blocks that are not run instead of comparing it |
//! | `CI` | `true`: a missing program is a failure; otherwise the pages are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "book/pages.rs"]
mod pages;
#[path = "book/shelf.rs"]
mod shelf;
mod tools;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};
use pages::{Block, Place};
use shelf::Shelf;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let pages = pages::all(root);
    let not_run: String = pages
        .iter()
        .flat_map(|(_, blocks)| blocks)
        .filter_map(Block::not_run)
        .collect();
    let mut trials = Vec::new();
    if let Some(shelf) = Shelf::open().map(Arc::new) {
        for (page, blocks) in pages.into_iter().filter(|(_, blocks)| blocks.iter().any(Block::is_run)) {
            let shelf = Arc::clone(&shelf);
            trials.push(Trial::test(page, move || read(&shelf, &blocks).map_err(Failed::from)));
        }
    }
    trials.push(Trial::test("what_is_not_run_is_listed", move || {
        print!("{not_run}");
        listed(&not_run).map_err(Failed::from)
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` would skip the destructor that removes the temporary folder.
    match conclusion.has_failed() {
        true => ExitCode::from(101),
        false => ExitCode::SUCCESS,
    }
}

/// Runs the blocks of a page; the differences are the error.
fn read(shelf: &Shelf, blocks: &[Block]) -> Result<(), String> {
    let mut desk = shelf.desk();
    let mut differences = String::new();
    for block in blocks {
        for step in &block.steps {
            let tried = match &block.place {
                Place::Folder(folder) => desk.tried(folder.as_deref(), step),
                Place::File(file) => stands_in(file, &step.command),
                Place::Elsewhere | Place::Nowhere(_) => Ok(()),
            };
            if let Err(difference) = tried {
                let command = step.command.lines().next().unwrap_or_default();
                differences += &format!("{}:{}: {command}\n{difference}\n", block.page, block.line);
            }
        }
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(differences),
    }
}

/// Whether a text is a part of a file, in which `DIR` is a folder's name.
fn stands_in(file: &str, text: &str) -> Result<(), String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let content = fs::read_to_string(place).map_err(|error| format!("{file}: {error}"))?;
    match content.replace("DIR/", "/opt/").contains(text) {
        true => Ok(()),
        false => Err(format!("this is no part of {file}:\n{content}")),
    }
}

/// Holds the list of blocks that are not run against the one that was read and agreed to.
fn listed(found: &str) -> Result<(), String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/not-run.txt");
    if env::var("LODE_BLESS").is_ok_and(|value| value == "1") {
        return fs::write(place, found).map_err(|error| error.to_string());
    }
    match fs::read_to_string(&place).unwrap_or_default() {
        expected if expected == found => Ok(()),
        expected => Err(format!(
            "{} differs; LODE_BLESS=1 writes it\n--- expected\n{expected}--- found\n{found}---",
            place.display()
        )),
    }
}
