//! The program's interpreter: without it the kernel answers ENOENT, and everybody reads that the program itself is not there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::finding::{Finding, NO_INTERPRETER};
use crate::closure::{Closure, Means, Surroundings};
use crate::tree::Tree;

/// What a path of an interpreter tells of the system that the program was built for, and how such a system is had. The first that the
/// path contains counts.
const FAMILIES: &[(&str, &str, &str)] = &[
    (
        "/nix/store/",
        "a Nix store, of which this very path is wanted",
        "copy the closure of the store path, or build the program outside of Nix",
    ),
    (
        "/gnu/store/",
        "a Guix store, of which this very path is wanted",
        "copy the closure of the store path, or build the program outside of Guix",
    ),
    (
        "ld-musl-",
        "musl (Alpine and its kind)",
        "install musl, or build the program for glibc",
    ),
    (
        "ld-lsb",
        "the Linux Standard Base",
        "install the LSB core package of the distribution, or link the program again without -dynamic-linker",
    ),
    (
        "/system/bin/linker",
        "Android",
        "run it on Android: bionic's libraries are not on other systems",
    ),
    ("ld-elf.so.1", "FreeBSD", "run it on FreeBSD"),
    (
        "ld-linux-x86-64.so.2",
        "glibc for x86-64 (Debian, Fedora, Arch and their kind)",
        "install glibc (package libc6 or glibc), or build the program for this system's libc",
    ),
    (
        "ld-linux-aarch64.so.1",
        "glibc for AArch64",
        "install glibc for AArch64 (package libc6:arm64), or run it on such a machine",
    ),
    (
        "ld-linux.so.2",
        "glibc for 32-bit x86",
        "install glibc for 32-bit x86 (package libc6:i386 or glibc.i686)",
    ),
    (
        "ld-linux-x32.so.2",
        "glibc for x32",
        "install glibc for x32 (package libc6-x32)",
    ),
    (
        "ld-linux",
        "glibc for another machine",
        "install glibc for that machine",
    ),
];

/// Loaders that tell which system a tree is.
const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux.so.2",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// The finding about an interpreter that is not there, or cannot be one.
pub fn missing(closure: &Closure, surroundings: &Surroundings) -> Option<Finding> {
    let program = &closure.objects[0];
    let path = program.binary.interpreter.as_deref()?;
    let tree = &surroundings.tree;
    let line = match closure.interpreter {
        Some(interpreter) => {
            let file = tree.outside(&closure.objects[interpreter].real);
            let mode = file.metadata().ok()?.permissions().mode();
            if mode & 0o111 != 0 {
                return None;
            }
            format!("its interpreter {path} is not executable (mode {:o})", mode & 0o7777)
        }
        None => {
            let edge = closure.edges.iter().find(|edge| edge.means == Means::Interpreter)?;
            let why = edge
                .attempts
                .first()
                .and_then(|attempt| attempt.refused.as_deref())
                .unwrap_or_default();
            match why {
                "No such file or directory" => format!("its interpreter {path} does not exist{}", under(tree)),
                why => format!("its interpreter {path} cannot be one: {why}"),
            }
        }
    };
    let mut finding = Finding::error(NO_INTERPRETER, &program.path, line)
        .because("the kernel starts PT_INTERP in the program's place; without it execve(2) fails with ENOENT, which shells report as if the program were missing");
    let family = FAMILIES.iter().find(|(part, ..)| path.contains(part));
    if let Some((_, family, _)) = family {
        finding = finding.seen(format!("the path is that of {family}"));
    }
    let present = LOADERS
        .iter()
        .filter(|loader| **loader != path && tree.resolve(Path::new(loader)).is_ok());
    for loader in present {
        finding = finding.seen(format!("{loader} is there"));
    }
    if let Some((.., fix)) = family {
        finding = finding.fix(*fix);
    }
    if tree.root() != Path::new("/") {
        finding = finding.fix(match tree.called() == tree.root() {
            true => format!(
                "copy it and what lode-tool tree lists into the tree{}",
                copying(path, tree.root())
            ),
            false => "make the image of the program with lode-tool image".to_owned(),
        });
    }
    Some(finding.fix("or link the program statically (-static), so that it needs no interpreter"))
}

/// The command that copies the interpreter from this system, if it has one.
fn copying(path: &str, root: &Path) -> String {
    match Path::new(path).is_file() {
        true => format!(": `cp -L --parents {path} {}`", root.display()),
        false => String::new(),
    }
}

fn under(tree: &Tree) -> String {
    if tree.root() == Path::new("/") {
        return String::new();
    }
    format!(" under {}", tree.called().display())
}
