//! What is told, held against what others say.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use temp_dir::TempDir;

use super::stand::{explain, linked, main_of, told};
use super::tools::{has, run, succeed, text};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The files that were mapped from disk, with their load biases.
fn files(answer: &Value) -> BTreeMap<String, u64> {
    let modules = answer["start"]["modules"].as_array().unwrap().iter();
    let mapped = modules.filter(|module| module["is_present"] == Value::Bool(false));
    mapped
        .map(|module| (module["name"].as_str().unwrap().to_owned(), number(&module["base"])))
        .collect()
}

/// The rows of `readelf -lW` that are PT_LOAD: offset, address, bytes in the file, flags.
fn segments(file: &str) -> Vec<(u64, u64, u64, String)> {
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let listing = succeed(Command::new("readelf").args(["-lW", file]));
    let loads = listing.lines().filter(|line| line.trim_start().starts_with("LOAD "));
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = words[6..words.len() - 1].concat();
        (hex(words[1]), hex(words[2]), hex(words[4]), flags)
    };
    loads.map(row).collect()
}

#[test]
fn ls_is_told_as_readelf_and_the_maps_have_it() {
    if !has("readelf") {
        return;
    }
    let Some(answer) = told("/bin/ls") else { return };
    let maps = answer["maps"].as_array().unwrap();
    let files = files(&answer);
    assert!(files.len() > 1, "{files:?}");
    for (file, base) in &files {
        for (offset, address, size, flags) in segments(file) {
            let at = base + address;
            let mapping = maps
                .iter()
                .find(|map| number(&map["start"]) <= at && at < number(&map["end"]));
            let mapping = mapping.unwrap_or_else(|| panic!("{file}: nothing is mapped at {at:#x}"));
            if size == 0 {
                continue;
            }
            let access = mapping["access"].as_str().unwrap();
            assert_eq!(
                number(&mapping["offset"]) + at - number(&mapping["start"]),
                offset,
                "{file}"
            );
            assert_eq!(flags.contains('E'), access.contains('x'), "{file}: {mapping}");
            // RELRO has become read-only: no page may have got an access that its segment does not give.
            assert!(flags.contains('W') || !access.contains('w'), "{file}: {mapping}");
        }
    }
}

#[test]
fn relocations_are_counted_as_readelf_lists_them() {
    if !has("readelf") {
        return;
    }
    let Some(mut explain) = explain() else { return };
    let story = succeed(explain.args(["--no-run", "/bin/ls"]));
    let Some(answer) = told("/bin/ls") else { return };
    for file in files(&answer).keys() {
        let listing = succeed(Command::new("readelf").args(["-rW", file]));
        let kinds = listing
            .lines()
            .filter_map(|line| line.split_whitespace().nth(2)?.strip_prefix("R_X86_64_"));
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for kind in kinds {
            *counts.entry(kind).or_default() += 1;
        }
        let short = file.rsplit('/').next().unwrap();
        let chapter = story.split_once("\n5 · ").unwrap().1;
        let lines = chapter
            .lines()
            .skip_while(|line| !line.starts_with(&format!("  {short}: ")))
            .skip(1);
        let told: BTreeMap<&str, u64> = lines
            .take_while(|line| line.starts_with("    "))
            .map(|line| {
                let mut words = line.split_whitespace();
                let count = words.next().unwrap().parse().unwrap();
                (words.next().unwrap(), count)
            })
            .filter(|(kind, _)| *kind != "RELR")
            .collect();
        assert_eq!(told, counts, "{file}");
    }
}

#[test]
fn the_loader_itself_is_told_as_readelf_has_it() {
    if !has("readelf") {
        return;
    }
    let (Some(loader), Some(mut explain)) = (super::tools::loader(), explain()) else {
        return;
    };
    let story = succeed(explain.args(["--no-run", "/bin/true"]));
    // By the dynamic section: in the loader as it is shipped, the section is one of plain data.
    let listing = succeed(Command::new("readelf").arg("-rDW").arg(loader));
    let head = listing.lines().find(|line| line.contains("'RELR'")).unwrap();
    let bytes: u64 = head.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    let entries = bytes / 8;
    let words = listing
        .lines()
        .find_map(|line| line.trim().strip_suffix(" offsets"))
        .map(str::to_owned);
    assert!(story.contains(&format!("has {entries} entries")), "{head}\n{story}");
    if let Some(words) = words {
        assert!(story.contains(&format!("so {words} words")), "{words}\n{story}");
    }
}

#[test]
fn resolvers_choose_as_under_the_systems_own_loader() {
    let Some(answer) = told("/bin/ls") else { return };
    let libc = files(&answer)
        .into_iter()
        .find(|(name, _)| name.ends_with("/libc.so.6"));
    let Some((_, base)) = libc.filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let source = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n#include <string.h>\n\
        int main(void) { Dl_info i; void *p = dlsym(RTLD_DEFAULT, \"strlen\"); dladdr(p, &i); \
        printf(\"%lx\\n\", (unsigned long)((char *)p - (char *)i.dli_fbase)); return 0; }\n";
    std::fs::write(folder.child("where.c"), source).unwrap();
    let program = folder.child("where");
    succeed(
        Command::new("gcc")
            .arg(folder.child("where.c"))
            .arg("-o")
            .arg(&program)
            .arg("-ldl"),
    );
    let there = u64::from_str_radix(succeed(&mut Command::new(&program)).trim(), 16).unwrap();
    let calls = answer["start"]["resolvers"].as_array().unwrap();
    assert!(
        calls.iter().any(|call| call["answer"].as_u64() == Some(base + there)),
        "nobody chose +{there:#x}"
    );
    let story = succeed(explain().unwrap().args(["--no-run", "/bin/ls"]));
    assert!(
        story
            .lines()
            .any(|line| line.contains("strlen → ") && line.contains(&format!("(+{there:#x})"))),
        "{story}"
    );
}

#[test]
fn one_relocation_goes_from_the_file_to_the_process() {
    let Some(folder) = linked("int part(void) { return 0; } int *where = (int *)&part; int (*own)(void) = part;")
    else {
        return;
    };
    let Some(mut command) = explain() else { return };
    let listing = succeed(Command::new("readelf").arg("-rW").arg(folder.child("libpart.so")));
    let rows = listing.lines().filter(|line| line.contains(" R_X86_64_"));
    let offsets: Vec<(u64, String)> = rows
        .map(|line| {
            let mut words = line.split_whitespace();
            let at = u64::from_str_radix(words.next().unwrap(), 16).unwrap();
            (at, words.nth(1).unwrap().trim_start_matches("R_X86_64_").to_owned())
        })
        .collect();
    for number in 0..offsets.len() {
        command.arg(format!("--reloc=libpart.so:{number}"));
    }
    let output = run(command.args(["--format", "json", "--no-run", &main_of(folder.path())]));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answer = &answer["answer"];
    let base = files(answer)
        .into_iter()
        .find(|(name, _)| name.ends_with("libpart.so"))
        .unwrap()
        .1;
    let words = answer["words"].as_array().unwrap();
    assert_eq!(words.len(), offsets.len());
    let mut computed = 0;
    for (word, (at, kind)) in words.iter().zip(&offsets) {
        assert_eq!(
            (number(&word["place"]), word["kind"].as_str().unwrap()),
            (base + at, kind.as_str())
        );
        let after: Vec<u8> = word["after"]
            .as_array()
            .unwrap()
            .iter()
            .map(|byte| number(byte) as u8)
            .collect();
        let after = u64::from_le_bytes(after.try_into().unwrap());
        if let Some(value) = word["computed"].as_u64() {
            computed += 1;
            assert_eq!(value, after, "{word}");
        }
    }
    assert!(computed > 3, "{words:?}");
}

#[test]
fn what_the_program_writes_is_kept_apart() {
    let Some(folder) = linked("int part(void) { return 7; }") else {
        return;
    };
    let Some(mut explain) = explain() else { return };
    let output = run(explain.arg(main_of(folder.path())));
    let story = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{story}");
    assert_eq!(text(&output.stderr), "entered\n");
    assert!(story.ends_with("The program ended with status 7.\n"), "{story}");
    for chapter in 0..=10 {
        assert!(story.contains(&format!("\n{chapter} · ")), "{chapter}: {story}");
    }
    assert!(story.contains("(needed by main)\n"), "{story}");
    assert!(
        story.contains(&format!("{}/libpart.so, by RUNPATH from file", folder.path().display())),
        "{story}"
    );
}

#[test]
fn a_step_waits_for_a_line() {
    if !has("setsid") {
        return;
    }
    let Some(explain) = explain() else { return };
    let mut command = Command::new("setsid");
    command
        .arg("--wait")
        .arg(explain.get_program())
        .args(explain.get_args());
    command.args(["--step", "--no-run", "/bin/true"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&[b'\n'; 8]).unwrap();
    let output = child.wait_with_output().unwrap();
    let asked = text(&output.stderr);
    assert_eq!(asked.matches("— Enter goes on with").count(), 8, "{asked}");
    assert!(
        asked.contains("the stage `relocate`") && asked.contains("the jump"),
        "{asked}"
    );
}

#[test]
fn a_start_that_fails_is_told_as_far_as_it_came() {
    let Some(folder) = linked("int part(void) { return 0; }") else {
        return;
    };
    std::fs::remove_file(folder.child("libpart.so")).unwrap();
    let Some(mut explain) = explain() else { return };
    let output = run(explain.arg(main_of(folder.path())));
    let story = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{story}");
    assert!(story.contains("No such file or directory\n      nowhere\n"), "{story}");
    assert!(text(&output.stderr).contains("lode[E0201]"));
    assert!(!story.contains("\n4 · "), "{story}");
}

#[test]
fn a_written_stream_is_told_without_a_process() {
    let (Some(loader), Some(mut explain)) = (super::tools::loader(), explain()) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let file = folder.child("events");
    succeed(Command::new(loader).arg("--events").arg(&file).arg("/bin/true"));
    let story = succeed(explain.arg("--events").arg(&file));
    assert!(story.contains("\n10 · The jump"), "{story}");
}
