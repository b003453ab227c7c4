//! The questions of lode-tool that look at a file's bytes: `effective`, `relocation-sizes`, `plan`, `probes`, `strict`, `features`, `compat`.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_TOOL` | the lode-tool under test; without it the one that `cargo xtask build` left |
//! | `LODE_BLESS` | `1`: write the expected texts in tests/ask/ anew |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use temp_dir::TempDir;
use tools::{has, run, skip, succeed, switches, text, tool};

/// A file of tests/ask/.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ask").join(name)
}

/// Compares a text with the expected one, or writes it.
fn golden(name: &str, found: &str) {
    let path = file(name);
    if env::var("LODE_BLESS").is_ok_and(|bless| bless == "1") {
        fs::write(&path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{name}; LODE_BLESS=1 writes it anew");
}

/// Runs gcc on a source of tests/ask/.
fn compile(source: &Path, output: &Path, arguments: &[&str]) {
    succeed(
        Command::new("gcc")
            .args(["-O1", "-w"])
            .arg(source)
            .arg("-o")
            .arg(output)
            .args(arguments),
    );
}

/// Standard output of a question, and its status.
fn ask(tool: &Path, arguments: &[&str]) -> (String, i32) {
    let output = run(Command::new(tool).args(arguments));
    assert_eq!(text(&output.stderr), "", "{arguments:?}");
    (text(&output.stdout), output.status.code().unwrap())
}

/// The answer of a question as values.
fn json(tool: &Path, arguments: &[&str]) -> Value {
    let output = run(Command::new(tool).args(arguments).args(["--format", "json"]));
    let envelope: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(envelope["schema"], 1);
    assert_eq!(envelope["command"], arguments[0]);
    envelope["answer"].clone()
}

/// The switches of both linkers, those that are there.
fn linkers() -> Vec<(&'static str, Vec<String>)> {
    let found = ["bfd", "lld"].map(|linker| {
        let switches = switches(linker);
        if switches.is_none() {
            skip(&format!("the linker {linker} is not installed"));
        }
        Some((linker, switches?))
    });
    found.into_iter().flatten().collect()
}

/// What only one of the linkers can write, and both.
const FORMS: &[(&str, &str, &[&str])] = &[
    ("bfd", "RELA", &[]),
    ("bfd", "RELR", &["-Wl,-z,pack-relative-relocs"]),
    ("lld", "RELA", &[]),
    ("lld", "REL", &["-Wl,-z,rel"]),
    ("lld", "RELR", &["-Wl,-z,pack-relative-relocs"]),
    ("lld", "ANDROID_RELA", &["-Wl,--pack-dyn-relocs=android"]),
    ("lld", "ANDROID_REL", &["-Wl,-z,rel,--pack-dyn-relocs=android"]),
];

#[test]
fn a_structure_of_pointers_is_the_same_whoever_linked_it_and_in_whatever_form() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let (object, stub) = (folder.child("shape.o"), folder.child("stub.o"));
    compile(&file("shape.c"), &object, &["-fPIC", "-c"]);
    fs::write(
        folder.child("stub.c"),
        "int outside(int x) { return x; } void _start(void) {}",
    )
    .unwrap();
    compile(&folder.child("stub.c"), &stub, &["-c", "-fPIC"]);
    let show = |path: &Path| {
        let path = path.to_str().unwrap();
        let (shown, status) = ask(&tool, &["effective", path, "list", "start", "--follow=3"]);
        assert_eq!(status, 0);
        shown
    };
    let mut kinds: Vec<(&str, String)> = Vec::new();
    for (linker, switches) in linkers() {
        for (_, form, extra) in FORMS.iter().filter(|(one, ..)| *one == linker) {
            for (kind, shape) in [("so", "-shared"), ("pie", "-pie"), ("exec", "-no-pie")] {
                let output = folder.child(format!("{linker}-{form}-{kind}"));
                let mut link = Command::new("gcc");
                link.args(&switches)
                    .args(*extra)
                    .args([shape, "-nostdlib", "-o"])
                    .arg(&output)
                    .arg(&object);
                link.args((kind != "so").then_some(&stub));
                succeed(&mut link);
                let shown = show(&output);
                let known = kinds.iter().find(|(one, _)| *one == kind);
                match known {
                    Some((_, first)) => assert_eq!(shown, *first, "{linker} {form} {kind}"),
                    None => kinds.push((kind, shown)),
                }
                if kind != "exec" {
                    let words = json(&tool, &["effective", output.to_str().unwrap(), "list"]);
                    assert_eq!(words["blocks"][0]["words"][0]["table"], *form, "{linker} {kind}");
                }
            }
        }
    }
    kinds.push(("o", show(&object)));
    for (kind, shown) in kinds {
        golden(&format!("effective-{kind}.txt"), &shown);
    }
}

#[test]
fn words_are_what_a_program_finds_when_it_runs() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    for (linker, switches) in linkers() {
        // The system's loader applies these.
        for form in [&[][..], &["-Wl,-z,pack-relative-relocs"]] {
            let program = folder.child(format!("{linker}-{}", form.len()));
            let mut link = Command::new("gcc");
            link.args(["-O1", "-w", "-fPIE", "-pie"]).args(&switches).args(form);
            succeed(
                link.arg(file("shape.c"))
                    .arg(file("reporter.c"))
                    .arg("-o")
                    .arg(&program),
            );
            let seen = succeed(&mut Command::new(&program));
            let answer = json(&tool, &["effective", program.to_str().unwrap(), "list"]);
            let words = answer["blocks"][0]["words"].as_array().unwrap();
            assert_eq!(words.len(), 12);
            for (word, seen) in words.iter().zip(seen.lines()) {
                let value = &word["value"];
                let expected = match (value["kind"].as_str().unwrap(), word["target"].as_u64()) {
                    (_, Some(target)) => format!("address {target:#x}"),
                    // Weak, and nobody defines it.
                    ("symbol", None) => "number 0".to_owned(),
                    _ => format!("number {:#x}", value["number"].as_u64().unwrap()),
                };
                assert_eq!(
                    seen.replace("0x0", "0"),
                    expected.replace("0x0", "0"),
                    "{linker} {form:?}: {word}"
                );
            }
        }
    }
}

#[test]
fn a_place_is_a_symbol_a_section_or_an_address_with_offset_and_length() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let library = folder.child("shape.so");
    compile(&file("shape.c"), &library, &["-fPIC", "-shared", "-nostdlib"]);
    let path = library.to_str().unwrap();
    let whole = json(&tool, &["effective", path, "list"]);
    let address = whole["blocks"][0]["address"].as_u64().unwrap();
    let spelled = format!("{:#x}+8..16", address + 24);
    let (by_address, _) = ask(&tool, &["effective", path, &spelled]);
    let (by_symbol, _) = ask(&tool, &["effective", path, "list+0x20..0x10"]);
    assert_eq!(by_address, by_symbol);
    assert_eq!(by_symbol.lines().count(), 3, "{by_symbol}");
    let (section, _) = ask(&tool, &["effective", path, ".data.rel.ro..8"]);
    assert!(section.contains("list+0x20"), "{section}");
    for (place, words) in [
        ("lits", "no symbol, section or address lits; there is list"),
        ("list..x", "x is not a number"),
        ("0x7fffffff", "nothing of the file is in memory at 0x7fffffff"),
        ("list..99999999", "more than can be shown"),
    ] {
        let output = run(Command::new(&tool).args(["effective", path, place]));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(1));
    }
}
