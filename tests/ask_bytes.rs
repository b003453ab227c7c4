//! The questions of lode-tool that look at a file's bytes: `effective`, `relocation-sizes`, `plan`, `probes`, `strict`, `features`, `compat`.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_TOOL` | the lode-tool under test; without it the one that `cargo xtask build` left |
//! | `LODE_LOADER` | the loader under test, for strict starts |
//! | `LODE_TREES` | trees of other systems, separated by colons, whose loaders are compared with predictions too |
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
fn words_of_32_bits_are_the_same_whoever_linked_them() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let object = folder.child("shape.o");
    compile(&file("shape.c"), &object, &["-m32", "-fPIC", "-c"]);
    for (linker, switches) in linkers() {
        for (form, extra) in [
            ("REL", ""),
            ("RELR", "-Wl,-z,pack-relative-relocs"),
            ("RELA", "-Wl,-z,rela"),
        ] {
            // GNU ld has one form for each machine.
            if linker == "bfd" && form == "RELA" {
                continue;
            }
            let library = folder.child(format!("{linker}-{form}"));
            let mut link = Command::new("gcc");
            link.args(&switches)
                .args(["-m32", "-shared", "-nostdlib"])
                .args((!extra.is_empty()).then_some(extra));
            succeed(link.arg(&object).arg("-o").arg(&library));
            let path = library.to_str().unwrap();
            golden(
                "effective-32.txt",
                &ask(&tool, &["effective", path, "list", "--follow=2"]).0,
            );
            let words = json(&tool, &["effective", path, "list"]);
            assert_eq!(words["blocks"][0]["words"][0]["table"], form, "{linker}");
            let sizes = json(&tool, &["relocation-sizes", path]);
            assert_eq!(sizes["files"][0]["present"][form], 6, "{linker} {form}: {sizes}");
        }
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

/// A table of pointers, and words between them.
const TABLE: &str = "char target[64];\n__attribute__((visibility(\"default\")))\nvoid *table[3000] = {\n\
    [0 ... 99] = target, [200] = target + 1, [202] = target, [204] = target, [206] = target,\n\
    [1000 ... 1500] = target + 3, [2999] = target };\n";

#[test]
fn sizes_are_those_of_the_tables_that_linkers_write() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let source = folder.child("table.c");
    fs::write(&source, TABLE).unwrap();
    let mut expected = None;
    for (linker, switches) in linkers() {
        for (_, form, extra) in FORMS.iter().filter(|(one, ..)| *one == linker) {
            let library = folder.child(format!("{linker}-{form}"));
            let mut link = Command::new("gcc");
            link.args(["-shared", "-fPIC", "-nostdlib", "-fvisibility=hidden", "-w"])
                .args(&switches)
                .args(*extra);
            succeed(link.arg(&source).arg("-o").arg(&library));
            let answer = json(&tool, &["relocation-sizes", library.to_str().unwrap()]);
            let row = &answer["files"][0];
            assert_eq!(row["count"], 606, "{linker} {form}");
            assert_eq!(row["present"][form], 606, "{linker} {form}");
            let forms = row["forms"].as_object().unwrap();
            assert_eq!(
                (&forms["RELA"], &forms["REL"]),
                (&(606 * 24).into(), &(606 * 16).into())
            );
            let now = row["now"].as_u64().unwrap();
            match *form {
                "RELA" => {
                    let listed = succeed(Command::new("readelf").arg("-rW").arg(&library));
                    assert_eq!(listed.matches("R_X86_64_RELATIVE").count(), 606);
                    assert_eq!(now, 606 * 24);
                }
                "REL" => assert_eq!(now, 606 * 16),
                // The linker's stream is as short as lode-tool's.
                "RELR" => assert_eq!(forms["RELR"], now, "{linker}"),
                // lld repeats addends there, or not; either is far from RELA.
                _ => assert!(
                    now < 3000 && forms["APS2"].as_u64().unwrap() < 200,
                    "{linker} {form} {row}"
                ),
            }
            // The layouts differ by the tables, so that only what does not depend on addresses is the same.
            let elfhack = forms["elfhack"].clone();
            assert_eq!(*expected.get_or_insert(elfhack.clone()), elfhack);
        }
    }
    let (table, status) = ask(
        &tool,
        &["relocation-sizes", folder.path().to_str().unwrap(), "--sort=name"],
    );
    assert_eq!(status, 0);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("      file    count       now      %       REL      RELA   offsets   elfhack"));
    assert_eq!(
        lines.len(),
        2 + linkers()
            .iter()
            .map(|(one, _)| FORMS.iter().filter(|form| form.0 == *one).count())
            .sum::<usize>()
    );
}

#[test]
fn a_plan_is_what_readelf_says_of_the_segments() {
    let Some(tool) = tool().filter(|_| has("gcc") && has("readelf")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let library = folder.child("shape.so");
    compile(
        &file("shape.c"),
        &library,
        &["-fPIC", "-shared", "-nostdlib", "-Wl,-z,relro,-z,now"],
    );
    let path = library.to_str().unwrap();
    let plan = json(&tool, &["plan", path]);
    let listed = succeed(Command::new("readelf").args(["-lW", path]));
    let loads: Vec<Vec<&str>> = listed
        .lines()
        .filter(|line| line.trim_start().starts_with("LOAD"))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let pieces = plan["layout"]["pieces"].as_array().unwrap();
    let mut mapped = pieces.iter().filter(|piece| !piece["offset"].is_null());
    for load in &loads {
        let piece = mapped.next().unwrap();
        assert_eq!(piece["offset"], hex(load[1]) & !0xfff, "{load:?}");
        assert_eq!(piece["address"], hex(load[2]) & !0xfff, "{load:?}");
    }
    assert_eq!(plan["counts"]["loads"], loads.len());
    let last = loads.last().unwrap();
    let end = (hex(last[2]) + hex(last[5])).next_multiple_of(4096);
    assert_eq!(plan["layout"]["span"], serde_json::json!([0, end]));
    assert_eq!(plan["layout"]["reservation"], end);
    let reach = &plan["layout"]["reach"];
    assert!(reach["farthest_data"].as_u64().unwrap() < reach["limit"].as_u64().unwrap());
    let (shown, status) = ask(&tool, &["plan", path]);
    assert_eq!(status, 0);
    assert!(shown.contains("by the first mapping"), "{shown}");
    // A page that is larger than the segments are apart cannot be planned.
    assert_eq!(
        ask(&tool, &["plan", path, "--page-size", "64k"]),
        ask(&tool, &["plan", path, "--page-size", "0x10000"])
    );
    let (refused, status) = ask(&tool, &["plan", path, "--page-size", "0x10000"]);
    assert_eq!(status, 3);
    assert!(refused.contains("no plan[E0119]: "), "{refused}");
}

#[test]
fn probes_are_those_that_gdb_finds() {
    let Some(tool) = tool().filter(|_| has("gcc") && has("gdb")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    for shape in ["-no-pie", "-pie"] {
        let program = folder.child(format!("probes{shape}"));
        compile(&file("probes.c"), &program, &["-fPIE", shape]);
        let path = program.to_str().unwrap();
        let listed = succeed(Command::new("gdb").args(["-nx", "-batch", "-ex", "info probes stap shop", path]));
        let mut of_gdb: Vec<(String, String, Option<String>)> = listed
            .lines()
            .filter(|line| line.starts_with("stap"))
            .map(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                let hex = |text: &str| format!("{:#x}", u64::from_str_radix(&text[2..], 16).unwrap());
                let semaphore = columns[4].starts_with("0x").then(|| hex(columns[4]));
                (columns[2].to_owned(), hex(columns[3]), semaphore)
            })
            .collect();
        let answer = json(&tool, &["probes", path]);
        let hex = |value: &Value| value.as_u64().map(|at| format!("{at:#x}"));
        let mut of_tool: Vec<(String, String, Option<String>)> = answer["probes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|probe| {
                let name = probe["name"].as_str().unwrap().to_owned();
                (name, hex(&probe["address"]).unwrap(), hex(&probe["semaphore"]))
            })
            .collect();
        of_gdb.sort();
        of_tool.sort();
        assert_eq!(of_tool, of_gdb, "{listed}");
        assert_eq!(of_tool.len(), 3);
        assert_eq!(of_tool.iter().filter(|probe| probe.2.is_some()).count(), 1);
        let (moved, _) = ask(&tool, &["probes", path, "--base", "0x10000000"]);
        let first = u64::from_str_radix(&of_tool[2].1[2..], 16).unwrap();
        assert!(
            moved.contains(&format!(
                "stapsdt shop:watched at {:#x}, semaphore",
                first + 0x1000_0000
            )),
            "{moved}"
        );
        assert!(moved.contains("arguments -4@%edi 8@$5\n"), "{moved}");
    }
}

#[test]
fn probes_of_dtrace_have_the_addresses_of_their_places() {
    let Some(tool) = tool().filter(|_| has("gcc") && has("nm")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    for (linker, switches) in linkers() {
        for extra in [
            &["-shared"][..],
            &["-shared", "-Wl,-z,pack-relative-relocs"],
            &["-no-pie", "-Wl,-e,tagged"],
        ] {
            let output = folder.child(format!("{linker}{}", extra.concat().replace(['/', ','], "-")));
            let mut link = Command::new("gcc");
            link.args(["-nostdlib", "-Wl,-Bsymbolic"])
                .args(&switches)
                .args(extra)
                .arg(file("dof.S"));
            succeed(link.arg("-o").arg(&output));
            let path = output.to_str().unwrap();
            let symbols = succeed(Command::new("nm").arg(path));
            let address = |name: &str| {
                let line = symbols
                    .lines()
                    .find(|line| line.ends_with(&format!(" {name}")))
                    .unwrap();
                u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
            };
            let (tagged, other) = (address("tagged"), address("other"));
            let (shown, _) = ask(&tool, &["probes", path]);
            assert_eq!(
                shown,
                format!(
                    "DTrace shop:empty at {:#x} in other\n\
                     DTrace shop:sold at {:#x} in tagged, asks whether it is watched\n\
                     DTrace shop:sold at {:#x} in tagged, arguments int char *\n\
                     DTrace shop:sold at {:#x} in tagged, arguments int char *\n",
                    other + 1,
                    tagged,
                    tagged + 1,
                    tagged + 2
                ),
                "{linker} {extra:?}"
            );
        }
    }
}

/// The system's loaders that `compat` has rules for, and what it calls them.
fn system_loaders() -> Vec<(&'static str, PathBuf)> {
    let paths = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"];
    let found: Vec<_> = paths
        .into_iter()
        .filter_map(|path| named(PathBuf::from(path)))
        .collect();
    if !found.iter().any(|(name, _)| *name == "glibc-2.36") {
        skip("the system's glibc is older than 2.36");
    }
    found
}

/// Those, and the loaders of trees.
fn loaders() -> Vec<(&'static str, PathBuf)> {
    let trees = env::var_os("LODE_TREES").unwrap_or_default();
    let trees = env::split_paths(&trees).filter(|tree| !tree.as_os_str().is_empty());
    let of_trees = trees.filter_map(|tree| named(tree.join("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")));
    system_loaders().into_iter().chain(of_trees).collect()
}

/// A loader with what `compat` calls it, by the version that it states.
fn named(path: PathBuf) -> Option<(&'static str, PathBuf)> {
    let output = Command::new(&path).arg("--version").output().ok()?;
    let version = text(&output.stdout) + &text(&output.stderr);
    let number = |start: &str| -> Option<Vec<u32>> {
        let rest = version.split_once(start)?.1.split_whitespace().next()?;
        Some(
            rest.trim_end_matches('.')
                .split('.')
                .filter_map(|part| part.parse().ok())
                .collect(),
        )
    };
    let name = match (number("stable release version "), number("Version ")) {
        (Some(glibc), _) if glibc >= vec![2, 36] => "glibc-2.36",
        (Some(_), _) => "glibc-2.35",
        (None, Some(musl)) if musl < vec![1, 2, 4] => "musl-1.2.3",
        _ => return None,
    };
    Some((name, path))
}

/// Runs a program; what happened, in the words of `compat`, and what was said.
fn happened(program: &Path) -> (&'static str, String) {
    use std::os::unix::process::ExitStatusExt as _;
    let output = run(&mut Command::new(program));
    let outcome = match (output.status.code(), output.status.signal()) {
        (Some(0), _) => "load",
        (Some(127), _) => "refuse",
        (None, Some(nix::libc::SIGSEGV | nix::libc::SIGBUS)) => "fault",
        other => panic!("{}: {other:?} {}", program.display(), text(&output.stderr)),
    };
    (outcome, text(&output.stderr))
}

/// Asserts that what was predicted for a loader is what happens.
fn agrees(tool: &Path, loader: &str, program: &Path) -> String {
    let path = program.to_str().unwrap();
    let answer = json(tool, &["compat", path, "--loader", loader]);
    let prediction = &answer["predictions"][0];
    let (outcome, said) = happened(program);
    assert_eq!(prediction["outcome"], outcome, "{loader}: {prediction}\n{said}");
    if let Some(words) = prediction["words"].as_str() {
        assert!(said.contains(words), "{loader}: {words}\n{said}");
    }
    outcome.to_owned()
}

/// Replaces the only occurrence of some words of a file.
fn replace(path: &Path, old: &[u64], new: &[u64]) {
    let bytes = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let mut content = fs::read(path).unwrap();
    let old = bytes(old);
    let at = content.windows(old.len()).position(|window| window == old).unwrap();
    content[at..at + old.len()].copy_from_slice(&bytes(new));
    fs::write(path, content).unwrap();
}

#[test]
fn other_loaders_do_with_a_program_what_is_predicted() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let mut outcomes = std::collections::BTreeSet::new();
    for (number, (name, loader)) in loaders().into_iter().enumerate() {
        let build = |case: &str, linker: &str, extra: &[&str]| {
            let switches = switches(linker)?;
            let program = folder.child(format!("{number}-{linker}-{case}"));
            let mut link = Command::new("gcc");
            link.args([
                "-O1",
                "-w",
                "-fPIE",
                "-pie",
                "-nostdlib",
                "-fno-stack-protector",
                "-fcf-protection=none",
            ]);
            link.args(&switches)
                .arg(format!("-Wl,--dynamic-linker={}", loader.display()))
                .args(extra);
            succeed(link.arg(file("pointers.c")).arg("-o").arg(&program));
            Some(program)
        };
        let mut check = |program: Option<PathBuf>| {
            if let Some(program) = program {
                outcomes.insert((name, agrees(&tool, name, &program)));
            }
        };
        for (linker, form, extra) in FORMS {
            check(build(form, linker, extra));
        }
        check(build(
            "android-relr",
            "lld",
            &["-Wl,--pack-dyn-relocs=relr,--use-android-relr-tags"],
        ));
        check(build("choice", "bfd", &["-DCHOOSE"]));
        let text = build("text", "bfd", &["-DTEXT", "-Wl,-z,notext"]).unwrap();
        check(Some(text.clone()));
        let silent = folder.child(format!("{number}-text-silent"));
        fs::copy(&text, &silent).unwrap();
        // DT_TEXTREL becomes a second DT_DEBUG, DF_TEXTREL goes.
        replace(&silent, &[22, 0], &[21, 0]);
        replace(&silent, &[30, 4], &[30, 0]);
        check(Some(silent));
        let unknown = build("unknown", "bfd", &[]).unwrap();
        let listed = succeed(Command::new("readelf").arg("-rW").arg(&unknown));
        let first = listed.lines().find(|line| line.contains("R_X86_64_RELATIVE")).unwrap();
        let place = u64::from_str_radix(first.split(' ').next().unwrap(), 16).unwrap();
        replace(&unknown, &[place, 8], &[place, 200]);
        check(Some(unknown.clone()));
        let uncounted = folder.child(format!("{number}-unknown-uncounted"));
        fs::copy(&unknown, &uncounted).unwrap();
        let count = listed.matches("R_X86_64_RELATIVE").count() as u64;
        replace(&uncounted, &[0x6fff_fff9, count], &[0x6fff_fff9, 0]);
        check(Some(uncounted));
        let strange = build("strange", "bfd", &[]).unwrap();
        let mut bytes = fs::read(&strange).unwrap();
        bytes[7..9].copy_from_slice(&[9, 1]);
        fs::write(&strange, bytes).unwrap();
        check(Some(strange));
    }
    for (name, _) in loaders() {
        let of_one = outcomes.iter().filter(|(one, _)| *one == name).count();
        assert_eq!(of_one, 3, "{name} loads, refuses, and faults: {outcomes:?}");
    }
}

#[test]
fn the_lock_out_and_the_marks_of_glibc_are_predicted() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let source = folder.child("hello.c");
    fs::write(
        &source,
        "#include <stdio.h>\nint main(int c, char **v) { return printf(\"%s\\n\", v[0]) < 0; }",
    )
    .unwrap();
    let build = |name: &str, linker: &str, loader: &Path, extra: &[&str]| {
        let program = folder.child(name);
        let mut link = Command::new("gcc");
        link.args(["-O2", "-w", "-pie", "-fPIE"])
            .args(switches(linker)?)
            .args(extra);
        link.arg(format!("-Wl,--dynamic-linker={}", loader.display()));
        succeed(link.arg(&source).arg("-o").arg(&program));
        Some(program)
    };
    for (name, loader) in system_loaders() {
        match name {
            "glibc-2.36" => {
                let marked = build("marked", "bfd", &loader, &["-Wl,-z,pack-relative-relocs"]).unwrap();
                assert_eq!(agrees(&tool, name, &marked), "load");
                let before = json(&tool, &["compat", marked.to_str().unwrap(), "--loader", "glibc-2.35"]);
                let words = before["predictions"][0]["words"].as_str().unwrap();
                assert!(words.starts_with("version `GLIBC_ABI_DT_RELR' not found"), "{words}");
                if let Some(unmarked) = build("unmarked", "lld", &loader, &["-Wl,--pack-dyn-relocs=relr"]) {
                    assert_eq!(agrees(&tool, name, &unmarked), "refuse");
                }
            }
            "musl-1.2.3" => {
                let checked = build("checked", "bfd", &loader, &["-D_FORTIFY_SOURCE=2"]).unwrap();
                assert_eq!(agrees(&tool, name, &checked), "refuse");
            }
            _ => {}
        }
    }
}

#[test]
fn every_rule_names_its_source() {
    let Some(tool) = tool() else { return };
    let rules = json(&tool, &["compat", "--rules"]);
    for rule in rules["rules"].as_array().unwrap() {
        assert!(rule["source"].as_str().unwrap().len() > 10, "{rule}");
        assert_eq!(rule["outcome"] == "refuse", rule["words"] != "", "{rule}");
    }
}

#[test]
fn a_library_of_another_system_is_refused_by_glibc_alone() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let library = folder.child("libstrange.so");
    fs::write(folder.child("strange.c"), "int strange(void) { return 0; }").unwrap();
    compile(
        &folder.child("strange.c"),
        &library,
        &["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libstrange.so"],
    );
    fs::write(
        folder.child("main.s"),
        ".globl _start\n_start: call strange@plt\nmov %eax, %edi\nmov $231, %eax\nsyscall\n",
    )
    .unwrap();
    for (number, (name, loader)) in loaders().into_iter().enumerate() {
        let program = folder.child(format!("program-{number}"));
        let (dynamic, origin) = (
            format!("-Wl,--dynamic-linker={}", loader.display()),
            "-Wl,-rpath,$ORIGIN",
        );
        let arguments = ["-nostdlib", "-pie", &dynamic, origin, library.to_str().unwrap()];
        compile(&folder.child("main.s"), &program, &arguments);
        for (osabi, version) in [(9, 0), (0, 1), (3, 3)] {
            let mut bytes = fs::read(&library).unwrap();
            bytes[7..9].copy_from_slice(&[osabi, version]);
            fs::write(&library, bytes).unwrap();
            let path = library.to_str().unwrap();
            let answer = json(&tool, &["compat", path, "--loader", name]);
            let (outcome, said) = happened(&program);
            let prediction = &answer["predictions"][0];
            assert_eq!(prediction["outcome"], outcome, "{name} {osabi} {version}: {said}");
            let words = prediction["words"].as_str().unwrap_or_default();
            assert!(said.contains(words), "{words}: {said}");
            assert_eq!(
                outcome == "refuse",
                name.starts_with("glibc") && osabi != 3,
                "{name} {osabi} {version}"
            );
        }
    }
}

/// A file of 64 bits, little-endian, to be damaged.
struct Patch(Vec<u8>);

impl Patch {
    fn word(&self, at: usize, size: usize) -> u64 {
        let bytes = &self.0[at..at + size];
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn put(&mut self, at: usize, size: usize, value: u64) {
        self.0[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }

    /// Where the first program header of a type stands.
    fn segment(&self, kind: u64) -> usize {
        let (table, count) = (self.word(32, 8) as usize, self.word(56, 2) as usize);
        let mut headers = (0..count).map(|index| table + index * 56);
        headers.find(|at| self.word(*at, 4) == kind).unwrap()
    }

    /// Where the byte at an address stands.
    fn offset(&self, address: u64) -> usize {
        let (table, count) = (self.word(32, 8) as usize, self.word(56, 2) as usize);
        let headers = (0..count).map(|index| table + index * 56);
        let inside = |at: usize| {
            let into = address.checked_sub(self.word(at + 16, 8))?;
            (self.word(at, 4) == 1 && into < self.word(at + 32, 8)).then(|| (self.word(at + 8, 8) + into) as usize)
        };
        headers.into_iter().find_map(inside).unwrap()
    }

    /// Where the first dynamic entry with a tag stands.
    fn tag(&self, tag: u64) -> usize {
        let start = self.word(self.segment(2) + 8, 8) as usize;
        (0..)
            .map(|index| start + index * 16)
            .find(|at| self.word(*at, 8) == tag)
            .unwrap()
    }

    /// Where the table that a tag names stands.
    fn table(&self, tag: u64) -> usize {
        self.offset(self.word(self.tag(tag) + 8, 8))
    }
}

const RELA: u64 = 7;
const RELR: u64 = 36;
const RELACOUNT: u64 = 0x6fff_fff9;
const GNU_STACK: u64 = 0x6474_e551;
const GNU_RELRO: u64 = 0x6474_e552;

/// How each finding comes about: in which of the files below, and by which change.
type Case = (&'static str, &'static str, fn(&mut Patch));

const CASES: &[Case] = &[
    ("W0101", "base", |file| file.put(12, 1, 1)),
    ("W0103", "base", |file| file.put(file.segment(4), 4, 0x6abc_0001)),
    ("W0104", "base", |file| file.put(file.segment(4) + 4, 4, 0x14)),
    ("W0105", "base", |file| file.put(file.segment(1) + 4, 4, 7)),
    ("W0106", "base", |file| file.put(file.segment(GNU_STACK) + 4, 4, 7)),
    ("W0107", "base", |file| file.put(file.segment(GNU_STACK), 4, 0)),
    ("W0108", "base", |file| {
        let at = file.segment(GNU_RELRO) + 40;
        file.put(at, 8, file.word(at, 8) - 8);
    }),
    ("W0109", "base", |file| file.put(file.segment(GNU_RELRO), 4, 0)),
    ("W0111", "no-build-id", |_| {}),
    ("W0113", "base", |file| {
        let at = file.segment(GNU_RELRO);
        let (offset, address) = (file.word(at + 8, 8), file.word(at + 16, 8));
        assert_ne!(offset % 0x10000, address % 0x10000);
        let table = file.word(32, 8) as usize;
        for at in (0..file.word(56, 2) as usize).map(|index| table + index * 56) {
            if file.word(at, 4) == 1 {
                file.put(at + 48, 8, 0x1_0000);
            }
        }
    }),
    ("W0114", "base", |file| file.put(40, 8, 0xffff_ffff)),
    ("W0115", "base", |file| {
        let (table, count) = (file.word(40, 8) as usize, file.word(60, 2) as usize);
        let mut headers = (0..count).map(|index| table + index * 64);
        let dynamic = headers.find(|at| file.word(at + 4, 4) == 6).unwrap();
        file.put(dynamic + 16, 8, 0x10);
    }),
    ("W0201", "base", |file| file.put(file.tag(RELACOUNT), 8, 0x6abc_0000)),
    ("W0202", "base", |file| file.put(file.tag(RELACOUNT), 8, 14)),
    ("W0203", "base", |file| {
        let at = file.tag(RELACOUNT);
        file.put(at, 8, 30);
        file.put(at + 8, 8, 0x4000);
    }),
    ("W0204", "gnu", |_| {}),
    ("W0205", "gnu", |file| {
        let at = file.table(0x6fff_fef5) + 4;
        file.put(at, 4, file.word(at, 4) + 1);
    }),
    ("W0206", "sysv", |_| {}),
    ("W0207", "rpath", |_| {}),
    ("W0208", "no-soname", |_| {}),
    ("W0209", "gnu", |file| {
        let at = file.table(0x6fff_fef5) + 16;
        file.put(at, 8, 0);
    }),
    ("W0210", "sysv", |file| {
        let at = file.table(4);
        let buckets = file.word(at, 4) as usize;
        for bucket in 0..buckets {
            file.put(at + 8 + bucket * 4, 4, 0);
        }
    }),
    ("W0213", "program", |file| file.put(file.tag(21), 8, 0x7000_0000)),
    ("W0215", "base", |file| file.put(file.tag(RELACOUNT), 8, 22)),
    ("W0301", "base", |file| file.put(file.table(RELA) + 8, 8, 0)),
    ("W0302", "base", |file| {
        let at = file.table(RELA);
        file.put(at, 8, file.word(at, 8) + 4);
    }),
    ("W0303", "base", |file| {
        let at = file.table(RELA);
        file.put(at, 8, file.word(at + 24, 8));
    }),
    ("W0304", "base", |file| file.put(file.table(RELA), 8, 0x1000)),
    ("W0305", "relr", |file| {
        let at = file.table(RELA);
        file.put(at + 8, 8, 8);
    }),
    ("W0306", "relr", |file| {
        // A bitmap of nothing at the end.
        let size = file.word(file.tag(35) + 8, 8) as usize;
        file.put(file.table(RELR) + size - 8, 8, 1);
    }),
    ("W0307", "base", |file| file.put(file.table(RELA) + 8, 8, 200)),
    ("W0308", "base", |file| {
        for (rela, rel) in [(7, 17), (8, 18), (9, 19)] {
            file.put(file.tag(rela), 8, rel);
        }
    }),
    ("W0310", "base", |file| {
        let (rela, size) = (file.word(file.tag(RELA) + 8, 8), file.tag(2) + 8);
        file.put(file.tag(23) + 8, 8, rela);
        file.put(size, 8, 24);
    }),
    ("W0312", "base", |file| file.put(file.table(RELA) + 8, 8, 2)),
    ("W0313", "base", |file| file.put(file.table(RELA) + 8, 8, 1 << 32 | 8)),
    ("W0314", "base", |file| file.put(file.table(RELA) + 16, 8, 0x7777_7777)),
    ("W0341", "base", |file| file.put(file.tag(RELACOUNT) + 8, 8, 1)),
    ("W0343", "base", |file| file.put(file.table(RELA) + 8, 8, 1 << 32 | 6)),
    ("W0401", "base", |file| {
        file.put(file.tag(0x6fff_fffe), 8, 0x7000_0000);
        file.put(file.tag(0x6fff_ffff), 8, 0x7000_0001);
        file.put(file.tag(0x6fff_fffc), 8, 0x7000_0002);
        file.put(file.tag(0x6fff_fffd), 8, 0x7000_0003);
    }),
    ("W0404", "base", |file| file.put(file.tag(1), 8, 0x7000_0000)),
    ("W0405", "base", |file| file.put(file.table(0x6fff_fffe) + 16, 4, 1)),
    ("W0406", "base", |file| {
        let at = file.table(0x6fff_fffe) + 16;
        file.put(at + 6, 2, 2);
    }),
    ("W0407", "base", |file| {
        let at = file.table(0x6fff_fff0) + 2;
        file.put(at, 2, 77);
    }),
];

#[test]
fn every_finding_has_a_file_that_shows_it() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let versions = folder.child("versions");
    fs::write(&versions, "SHAPE_1 { global: list; };\n").unwrap();
    let script = format!("-Wl,--version-script={}", versions.display());
    let source = folder.child("base.c");
    let more = "extern int puts(const char *); int outside(int x) { return puts(\"\") + x; }\n";
    fs::write(&source, fs::read_to_string(file("shape.c")).unwrap() + more).unwrap();
    let library = [
        "-shared",
        "-fPIC",
        "-fcf-protection=none",
        &script,
        "-Wl,-z,now,--build-id",
    ];
    let named = ["-Wl,-soname,libbase.so"];
    let both = ["-Wl,--hash-style=both"];
    let build = |name: &str, arguments: &[&[&str]]| compile(&source, &folder.child(name), &arguments.concat());
    build("base", &[&library, &named, &both]);
    build("no-build-id", &[&library, &named, &both, &["-Wl,--build-id=none"]]);
    build("gnu", &[&library, &named, &["-Wl,--hash-style=gnu"]]);
    build("sysv", &[&library, &named, &["-Wl,--hash-style=sysv"]]);
    build(
        "rpath",
        &[&library, &named, &both, &["-Wl,--disable-new-dtags,-rpath,/lib"]],
    );
    build("no-soname", &[&library, &both]);
    build("relr", &[&library, &named, &both, &["-Wl,-z,pack-relative-relocs"]]);
    build(
        "program",
        &[&["-pie", "-fPIE", "-Wl,--build-id,--defsym=main=outside"], &both],
    );
    let codes = |path: &Path| -> Vec<String> {
        let answer = json(&tool, &["strict", path.to_str().unwrap()]);
        let code = |finding: &Value| finding["code"].as_str().unwrap().to_owned();
        answer["findings"].as_array().unwrap().iter().map(code).collect()
    };
    // Files as linkers write them have no finding but the one that they were built for.
    assert_eq!(
        ask(&tool, &["strict", folder.child("base").to_str().unwrap()]),
        ("nothing unusual\n".to_owned(), 0)
    );
    assert_eq!(codes(&folder.child("relr")), Vec::<String>::new());
    assert_eq!(codes(&folder.child("program")), Vec::<String>::new());
    for (code, from, change) in CASES {
        let mut patch = Patch(fs::read(folder.child(from)).unwrap());
        change(&mut patch);
        let changed = folder.child(code);
        fs::write(&changed, patch.0).unwrap();
        let found = codes(&changed);
        assert!(found.iter().any(|one| one == code), "{code}: {found:?}");
        let status = ask(&tool, &["strict", changed.to_str().unwrap()]).1;
        assert!(matches!(status, 1 | 3), "{code}: {status}");
        let allowed: Vec<&str> = found.iter().flat_map(|code| ["--allow", code]).collect();
        let (rest, _) = ask(&tool, &[&["strict", changed.to_str().unwrap()][..], &allowed].concat());
        assert!(!rest.contains("finding"), "{rest}");
    }
    let listed = json(&tool, &["strict", "--list"]);
    let listed: Vec<&str> = listed["codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    let tested: Vec<&str> = CASES.iter().map(|case| case.0).collect();
    assert_eq!(listed, tested);
}

#[test]
fn damaged_files_are_answered_or_refused_in_words() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let (library, object) = (folder.child("whole.so"), folder.child("whole.o"));
    compile(
        &file("probes.c"),
        &library,
        &["-shared", "-fPIC", "-nostdlib", file("shape.c").to_str().unwrap()],
    );
    compile(&file("dof.S"), &object, &["-c"]);
    let mut state = 11u64;
    let mut next = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let whole = [fs::read(&library).unwrap(), fs::read(&object).unwrap()];
    let damaged = folder.child("damaged");
    let path = damaged.to_str().unwrap();
    for round in 0..120 {
        let mut bytes = whole[usize::from(round % 4 == 0)].clone();
        for _ in 0..1 + next(12) {
            // Headers and tables are at both ends, and content between them is of less interest.
            let at = match next(3) {
                0 => next(0x400),
                1 => bytes.len().saturating_sub(next(0x1000)),
                _ => next(bytes.len()),
            };
            let at = at.min(bytes.len() - 1);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, next(256) as u8][next(6)];
        }
        if round % 5 == 0 {
            bytes.truncate(next(bytes.len()));
        }
        fs::write(&damaged, bytes).unwrap();
        for arguments in [
            &["effective", path, "list", ".SUNW_dof..256", "--follow=3"][..],
            &["relocation-sizes", path],
            &["plan", path],
            &["probes", path],
            &["strict", path],
            &["compat", path],
        ] {
            let output = run(Command::new(&tool).args(arguments));
            let error = text(&output.stderr);
            let status = output.status.code();
            assert!(
                matches!(status, Some(0 | 1 | 3)),
                "round {round}, {arguments:?}: {status:?} {error}"
            );
            assert!(!error.contains("panicked"), "round {round}, {arguments:?}: {error}");
        }
    }
}

#[test]
fn features_are_those_of_the_loader() {
    let Some(tool) = tool() else { return };
    let features = json(&tool, &["features"]);
    let x86_64 = &features["machines"][0];
    let names = |list: &Value| -> Vec<String> {
        let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(
        (&x86_64["name"], &x86_64["elf_machine"]),
        (&"x86_64".into(), &62.into())
    );
    let relocations = names(&x86_64["relocations"]);
    assert!(relocations.contains(&"R_X86_64_IRELATIVE".to_owned()) && relocations.len() > 15);
    // Other readers know the tags by the same numbers.
    for tag in features["tags"].as_array().unwrap() {
        let expected = match tag["name"].as_str().unwrap() {
            "DT_GNU_HASH" => object::elf::DT_GNU_HASH,
            "DT_VERNEEDNUM" => object::elf::DT_VERNEEDNUM,
            "DT_FLAGS_1" => object::elf::DT_FLAGS_1,
            _ => continue,
        };
        assert_eq!(tag["number"], expected);
    }
    let abi = &features["abi_versions"];
    assert_eq!(abi.as_array().unwrap().len(), 2);
    assert_eq!(
        (&abi[0]["name"], &abi[0]["highest_version"]),
        (&"NONE".into(), &0.into())
    );
    assert_eq!(
        (&abi[1]["name"], &abi[1]["highest_version"]),
        (&"GNU".into(), &3.into())
    );
    assert!(features["musl"].as_str().unwrap().contains("E0212"));
    let glibc = features["glibc"].as_array().unwrap();
    assert!(glibc.iter().any(|libc| libc["release"] == "2.36"));
    let Some(loader) = tools::loader() else { return };
    let help = succeed(Command::new(loader).arg("--help"));
    let mut switches: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  --")?.split(' ').next())
        .collect();
    switches.dedup();
    assert_eq!(features["switches"], serde_json::json!(switches));
}

#[test]
fn a_strict_start_refuses_what_the_loader_sees_to_be_unusual() {
    let Some(loader) = tools::loader().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let plain = folder.child("plain");
    let arguments = [
        "-fPIE",
        "-pie",
        "-nostdlib",
        "-fno-stack-protector",
        "-fcf-protection=none",
    ];
    compile(&file("pointers.c"), &plain, &arguments);
    let start = |program: &Path, strict: bool| {
        let mut command = Command::new(&loader);
        command.args(strict.then_some("--strict")).arg(program);
        let output = run(&mut command);
        (output.status.code(), text(&output.stderr))
    };
    let quiet = (Some(0), String::new());
    assert_eq!(start(&plain, true), quiet);
    // Ordinary programs and their libraries have nothing of the kind.
    assert_eq!(
        run(Command::new(&loader).args(["--strict", "/bin/true"])).status.code(),
        Some(0)
    );
    type Change = fn(&mut Patch);
    let changes: [(&str, Change); 4] = [
        ("tag", |file| file.put(file.tag(RELACOUNT), 8, 0x6abc_0000)),
        ("flag", |file| {
            let at = file.tag(RELACOUNT);
            file.put(at, 8, 30);
            file.put(at + 8, 8, 0x4000);
        }),
        ("stack", |file| file.put(file.segment(GNU_STACK) + 4, 4, 7)),
        ("no-stack", |file| file.put(file.segment(GNU_STACK), 4, 0)),
    ];
    for (name, change) in changes {
        let mut patch = Patch(fs::read(&plain).unwrap());
        change(&mut patch);
        let program = folder.child(name);
        fs::write(&program, patch.0).unwrap();
        fs::set_permissions(&program, fs::metadata(&plain).unwrap().permissions()).unwrap();
        assert_eq!(start(&program, false), quiet, "{name}");
        let (status, said) = start(&program, true);
        assert_eq!(status, Some(127), "{name}");
        golden("strict-start.txt", &said.replace(program.to_str().unwrap(), "PROGRAM"));
        let by_variable = run(Command::new(&loader).env("LODE_OPTIONS", "strict").arg(&program));
        assert_eq!(text(&by_variable.stderr), said, "{name}");
    }
    if let Some(lld) = switches("lld") {
        let rel = folder.child("rel");
        let lld: Vec<&str> = lld
            .iter()
            .map(String::as_str)
            .chain(arguments)
            .chain(["-Wl,-z,rel"])
            .collect();
        compile(&file("pointers.c"), &rel, &lld);
        assert_eq!(start(&rel, false), quiet);
        assert_eq!(start(&rel, true).0, Some(127));
    }
}

/// A library of two segments for a machine: a page that is read and executed, and one that is written.
fn bare(machine: u16, is_64_bit: bool, is_big: bool) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 1 + u8::from(is_64_bit), 1 + u8::from(is_big), 1];
    bytes.resize(16, 0);
    let mut add = |value: u64, size: usize| {
        let word = if is_big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        bytes.extend_from_slice(if is_big { &word[8 - size..] } else { &word[..size] });
    };
    let address = if is_64_bit { 8 } else { 4 };
    let (header, segment) = if is_64_bit { (64, 56) } else { (52, 32) };
    add(3, 2);
    add(machine.into(), 2);
    add(1, 4);
    for value in [0, header, 0] {
        add(value, address);
    }
    add(0, 4);
    for value in [header, segment, 2, 0, 0, 0] {
        add(value, 2);
    }
    for (flags, start) in [(5, 0), (6, 0x1000)] {
        add(1, 4);
        if is_64_bit {
            add(flags, 4);
        }
        for value in [start, start, start, 0x1000, 0x1000] {
            add(value, address);
        }
        if !is_64_bit {
            add(flags, 4);
        }
        add(0x1000, address);
    }
    bytes.resize(0x2000, 0);
    bytes
}

#[test]
fn a_file_for_any_machine_is_planned() {
    let Some(tool) = tool() else { return };
    let folder = TempDir::new().unwrap();
    let library = folder.child("lib.so");
    for (machine, is_64_bit, is_big, name) in [
        (3, false, false, "i386"),
        (8, false, true, "MIPS"),
        (8, true, false, "MIPS"),
        (20, false, true, "PowerPC"),
        (21, true, true, "PowerPC64"),
        (40, false, false, "ARM"),
        (243, true, false, "RISC-V"),
        (62, false, false, "x32"),
    ] {
        fs::write(&library, bare(machine, is_64_bit, is_big)).unwrap();
        let plan = json(&tool, &["plan", library.to_str().unwrap()]);
        assert!(plan["refusal"].is_null() && plan["has_table"] == false, "{plan}");
        assert!(plan["machine"].as_str().unwrap().contains(name), "{plan}");
        let accesses: Vec<&str> = plan["layout"]["pieces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|piece| piece["access"].as_str().unwrap())
            .collect();
        assert_eq!(accesses, ["r-x", "rw-"], "{plan}");
        assert_eq!(plan["layout"]["span"], serde_json::json!([0, 0x2000]));
        assert_eq!(plan["counts"]["loads"], 2);
        assert_eq!(
            plan["layout"]["reach"].is_null(),
            ![62, 243].contains(&machine),
            "{plan}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_header_is_refused_in_each_loaders_words() {
    let Some(tool) = tool().filter(|_| has("gcc")) else {
        return;
    };
    /// What is changed, where it stands, and what stands there then.
    const CHANGES: &[(&str, usize, &[u8])] = &[
        ("e_type of an object file", 16, &[1, 0]),
        ("e_type of a core file", 16, &[4, 0]),
        ("e_phentsize of 32-bit files", 54, &[32, 0]),
        ("e_phentsize 0", 54, &[0, 0]),
        ("e_version", 20, &[0, 0, 0, 0]),
        ("EI_CLASS of 32-bit files", 4, &[1]),
        ("EI_CLASS of none", 4, &[0x5d]),
        ("EI_DATA of big-endian files", 5, &[2]),
        ("EI_DATA of none", 5, &[3]),
        ("EI_VERSION", 6, &[0]),
        ("padding", 9, &[1]),
    ];
    let folder = TempDir::new().unwrap();
    let library = folder.child("libstrange.so");
    fs::write(folder.child("strange.c"), "int strange(void) { return 0; }").unwrap();
    compile(
        &folder.child("strange.c"),
        &library,
        &["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libstrange.so"],
    );
    fs::write(
        folder.child("main.s"),
        ".globl _start\n_start: call strange@plt\nmov %eax, %edi\nmov $231, %eax\nsyscall\n",
    )
    .unwrap();
    let good = fs::read(&library).unwrap();
    for (number, (name, loader)) in loaders().into_iter().enumerate() {
        fs::write(&library, &good).unwrap();
        let program = folder.child(format!("program-{number}"));
        let dynamic = format!("-Wl,--dynamic-linker={}", loader.display());
        let arguments = [
            "-nostdlib",
            "-pie",
            &dynamic,
            "-Wl,-rpath,$ORIGIN",
            library.to_str().unwrap(),
        ];
        compile(&folder.child("main.s"), &program, &arguments);
        let whole = fs::read(&program).unwrap();
        for (what, at, bytes) in CHANGES {
            let mut changed = good.clone();
            changed[*at..at + bytes.len()].copy_from_slice(bytes);
            fs::write(&library, changed).unwrap();
            let predicted = |file: &Path| {
                let answer = json(&tool, &["compat", file.to_str().unwrap(), "--loader", name]);
                answer["predictions"][0].clone()
            };
            let prediction = predicted(&library);
            let (outcome, said) = happened(&program);
            assert_eq!(prediction["outcome"], outcome, "{name}, {what}: {prediction}\n{said}");
            if let Some(words) = prediction["words"].as_str() {
                // A file that is passed over is named as it was asked for.
                let words = words.rsplit_once(": ").map_or(words, |(_, words)| words);
                assert!(said.contains(words), "{name}, {what}: {words}\n{said}");
            }
            // The program itself, which the kernel maps.
            fs::write(&library, &good).unwrap();
            let mut changed = whole.clone();
            changed[*at..at + bytes.len()].copy_from_slice(bytes);
            fs::write(&program, changed).unwrap();
            let prediction = predicted(&program);
            let started = Command::new(&program).status();
            assert_eq!(
                prediction["outcome"] == "load",
                started.is_ok_and(|status| status.success()),
                "{name}, {what} of the program: {prediction}"
            );
            fs::write(&program, &whole).unwrap();
        }
    }
}

#[test]
fn a_strict_process_does_not_open_what_it_would_not_start_with() {
    let Some(loader) = tools::loader().filter(|_| has("gcc")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let source = "#include <dlfcn.h>\n#include <stdio.h>\n\
        int main(int count, char **words) { puts(dlopen(words[1], RTLD_NOW) ? \"opened\" : dlerror()); return 0; }\n";
    fs::write(folder.child("opener.c"), source).unwrap();
    fs::write(folder.child("part.c"), "int one; int *where = &one;").unwrap();
    let (opener, library) = (folder.child("opener"), folder.child("libpart.so"));
    compile(&folder.child("opener.c"), &opener, &["-ldl"]);
    compile(&folder.child("part.c"), &library, &["-shared", "-fPIC"]);
    let opened = |options: &[&str], library: &Path| {
        let said = succeed(Command::new(&loader).args(options).args([&opener, library]));
        said.replace(&*folder.path().to_string_lossy(), "DIR")
    };
    assert_eq!(opened(&["--strict"], &library), "opened\n");
    let mut patch = Patch(fs::read(&library).unwrap());
    patch.put(patch.tag(RELACOUNT), 8, 0x6abc_0000);
    let odd = folder.child("libodd.so");
    fs::write(&odd, patch.0).unwrap();
    assert_eq!(opened(&[], &odd), "opened\n");
    let said = "DIR/libodd.so: something unusual, which `lode-tool strict' names\n";
    assert_eq!(opened(&["--strict"], &odd), said);
    // What such a library brings along counts too.
    let needs = folder.child("libneeds.so");
    let switches = ["-shared", "-fPIC", "-Wl,--no-as-needed", odd.to_str().unwrap()];
    compile(&folder.child("part.c"), &needs, &switches);
    assert_eq!(opened(&["--strict"], &needs), said);
}
