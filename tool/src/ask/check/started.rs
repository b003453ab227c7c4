//! What an image says that it starts: without it, or without what interprets it, nothing of the image ever runs.

use std::path::{Path, PathBuf};

use lode::error::{Errno, Kind};

use super::Check;
use super::finding::Finding;
use crate::elf::recognise;
use crate::image::Start;
use crate::spelling;

/// Checks that the image's first word leads to a program, or to a script whose program is there. The programs themselves are checked with all others.
pub fn by_image(check: &mut Check<'_>, start: &Start) {
    let Some(word) = start.entrypoint.first().or(start.cmd.first()) else {
        return;
    };
    let found = place(check, start, word);
    let Some(path) = found else {
        let line = "the image starts it, and it is not there";
        let finding = Finding::error(not_there().code(), word, line)
            .because("it is the first word of the image's entrypoint, or of its command");
        return check.add(finding.fix("put the program there, or give the image another entrypoint"));
    };
    let tree = &check.surroundings.tree;
    let bytes = tree
        .resolve(&path)
        .and_then(|real| recognise::read(&tree.outside(&real)))
        .unwrap_or_default();
    let Some(line) = bytes.strip_prefix(b"#!") else { return };
    let line = spelling::text(line.split(|byte| *byte == b'\n').next().unwrap_or_default());
    let Some(interpreter) = line.split_ascii_whitespace().next() else {
        return;
    };
    if tree.resolve(Path::new(interpreter)).is_err() {
        let line = format!("a script for {interpreter}, which is not there");
        let finding = Finding::error(not_there().code(), &spelling::of(&path), line)
            .because("the kernel starts the program that the first line names, and fails with ENOENT without it");
        check.add(finding.fix("put that program into the image"));
    }
}

fn not_there() -> Kind {
    Kind::Os {
        what: "",
        errno: Errno::ENOENT,
    }
}

/// The path that an image's first word means: a path, or a name that is looked for in its PATH.
fn place(check: &Check<'_>, start: &Start, word: &str) -> Option<PathBuf> {
    let tree = &check.surroundings.tree;
    let is_there = |path: &PathBuf| tree.resolve(path).is_ok_and(|real| tree.outside(&real).is_file());
    if word.contains('/') {
        return Some(PathBuf::from(word)).filter(is_there);
    }
    let list = start
        .variable("PATH")
        .unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    list.split(':')
        .map(|folder| Path::new(folder).join(word))
        .find(is_there)
}
