//! The whole text for a program without libc and for one with, without what differs from start to start and from machine to machine.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use temp_dir::TempDir;

use super::stand::{explain, linked};
use crate::tools::{has, loader, succeed};

/// What explains itself, in two parts: thread-local data, a constructor, pointers, a call.
const PART: &str = "__thread __attribute__((tls_model(\"initial-exec\"))) int each = 3; static int ready;\n\
    __attribute__((constructor)) static void prepare(void) { ready = 4; }\n\
    int part(void) { return each + ready; } int (*own)(void) = part; int *where = &ready;\n";

/// Holds a text against a file of `tests/explain/`.
fn golden(file: &str, found: &str) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("explain").join(file);
    if env::var_os("LODE_BLESS").is_some() {
        return fs::write(place, found).unwrap();
    }
    let expected = fs::read_to_string(&place).unwrap_or_default();
    assert_eq!(found, expected, "{}: LODE_BLESS=1 writes it", place.display());
}

/// The story of `main` in a folder, with names for what is this machine's: folder, loader, addresses of mappings, times.
fn story(folder: &Path) -> String {
    let program = folder.join("main");
    let story = succeed(explain().unwrap().arg(&program));
    let story = story.replace(&*folder.to_string_lossy(), "DIR");
    let loader = loader().unwrap();
    let name = loader.file_name().unwrap().to_string_lossy().into_owned();
    let story = story
        .replace(&*loader.to_string_lossy(), "LOADER")
        .replace(&name, "LOADER");
    let mut chapter = 0;
    let mut lines = String::new();
    for line in story.lines() {
        if let Some(number) = line.split_once(" · ").and_then(|(number, _)| number.parse().ok()) {
            chapter = number;
        }
        let line = without_times(&without_addresses(line));
        match chapter {
            // Where what lies is the kernel's, how much the loader has of its own its build's.
            3 if !line.starts_with("3 ·") && !line.starts_with('─') && !line.is_empty() => {}
            // The levels of the processor have folders of their own.
            2 if line.contains("/glibc-hwcaps/") => {}
            // How well the linker's hash tables serve is the linker's.
            5 if line.contains(" Bloom filter ") => lines += &(without_numbers(&line) + "\n"),
            0 | 1 if !line.starts_with("  ") && !line.contains(" · ") => lines += &(without_numbers(&line) + "\n"),
            _ => lines += &(line + "\n"),
        }
    }
    lines
}

/// Run-time addresses have more than eight digits.
fn without_addresses(line: &str) -> String {
    let mut parts = line.split("0x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        text += &if digits > 8 {
            format!("@{}", &part[digits..])
        } else {
            format!("0x{part}")
        };
    }
    text
}

/// `412 µs;` becomes `TIME;`.
fn without_times(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let unit = ["ns", "µs", "ms"].into_iter().find_map(|unit| word.strip_prefix(unit));
        match (unit, words.last_mut()) {
            (Some(rest), Some(last)) if last.ends_with(|one: char| one.is_ascii_digit()) => {
                *last = format!("TIME{rest}")
            }
            _ => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

/// Whole numbers by themselves, in parentheses or in front of a comma, become `N`; `libc.so.6` is a name.
fn without_numbers(line: &str) -> String {
    let word = |word: &str| {
        let number = word.trim_matches(['(', ')', ',', '.']);
        match number.parse::<f64>() {
            Ok(_) => word.replace(number, "N"),
            Err(_) => word.to_owned(),
        }
    };
    let words: Vec<String> = line.split(' ').map(word).collect();
    words.join(" ")
}

fn numbers_but_headings(line: &str) -> String {
    match line.contains(" · ") {
        true => line.to_owned(),
        false => without_numbers(line),
    }
}

#[test]
fn a_program_without_libc_is_told_as_ever() {
    if explain().is_none() || loader().is_none() || !has("gcc") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("part.c"), PART).unwrap();
    let main = "int part(void); int (*const call)(void) = part;\n\
        void _start(void) { long status = call(); __asm__ volatile(\"syscall\" :: \"a\"(231L), \"D\"(status)); }\n";
    fs::write(path.join("main.c"), main).unwrap();
    let gcc = |arguments: &[&str]| {
        let plain = [
            "-O1",
            "-nostdlib",
            "-fcf-protection=none",
            "-fno-stack-protector",
            "-Wl,--build-id=none",
        ];
        succeed(Command::new("gcc").current_dir(path).args(plain).args(arguments))
    };
    gcc(&["-shared", "-fPIC", "part.c", "-o", "libpart.so"]);
    gcc(&[
        "-pie",
        "-fPIE",
        "main.c",
        "-o",
        "main",
        "-L.",
        "-lpart",
        "-Wl,-rpath,$ORIGIN",
    ]);
    golden("bare.txt", &story(path));
}

#[test]
fn a_program_with_libc_is_told_as_ever() {
    if explain().is_none() || loader().is_none() {
        return;
    }
    let Some(folder) = linked(PART) else { return };
    // What is in this libc, and what it chooses for this processor, differs: of indented lines only those about the program's own files stay, and no number.
    let is_own = |line: &&str| {
        let names_own = line.contains("main") || line.contains("part");
        !line.starts_with("  ") || (names_own && !line.contains(" of libc.so"))
    };
    let story = story(folder.path());
    let lines: Vec<String> = story.lines().filter(is_own).map(numbers_but_headings).collect();
    golden("libc.txt", &(lines.join("\n") + "\n"));
}
