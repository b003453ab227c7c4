//! What the built loader does under stress: everything at once in threads and children, memory that runs out at every call, limits, large and deep graphs, a
//! library that is replaced while programs start. `docs/stress.md` says which case is tested where; the long versions are in `soak.rs`.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "stress/workshop.rs"]
mod workshop;

mod tools;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tools::{has, run, succeed, text};
use workshop::{PLUGS, Workshop, number};

#[test]
fn every_case_of_the_list_has_tests_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (list, stress, soak) = (read("../docs/stress.md"), read("stress.rs"), read("soak.rs"));
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    assert_eq!(rows.len(), 27);
    for row in rows {
        let names: Vec<&str> = row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row}");
        for name in names {
            let found = match name.split_once("::") {
                Some(("stress", test)) => stress.contains(&format!("fn {test}(")),
                Some(("soak", test)) => soak.contains(&format!("fn {test}(")),
                _ => folder.join("programs").join(name).is_dir(),
            };
            assert!(found, "{name}");
        }
    }
}

#[test]
fn threads_and_a_thousand_children_find_nothing_wrong() {
    let Some(workshop) = Workshop::open() else { return };
    workshop.compile_everything();
    let line = succeed(
        workshop
            .tested("everything")
            .args(["0", "0", "1000", &PLUGS.to_string()]),
    );
    assert!(line.contains("wrong 0, bad children 0"), "{line}");
    assert!(
        number(&line, "threads") > 0.0 && number(&line, "iterations") > 0.0,
        "{line}"
    );
}

#[test]
fn memory_that_runs_out_at_any_call_of_a_dlopen_leaves_nothing_behind() {
    let Some(workshop) = Workshop::open() else { return };
    let library = workshop.libraries("many", 40, false);
    workshop.compile("faults.c", "faults", &[]);
    for times in ["once", "on"] {
        let output = run(workshop.tested("faults").args([&library, times]));
        let (line, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(line.ends_with("wrong 0\n"), "{times}: {line}{errors}");
        assert!(
            number(&line, "calls") >= 160.0 && number(&line, "refused") >= 160.0,
            "{times}: {line}"
        );
    }
}

#[test]
fn limits_of_address_space_and_mappings_are_told() {
    let Some(workshop) = Workshop::open() else { return };
    let library = workshop.libraries("many", 40, false);
    workshop.compile("limits.c", "limits", &[]);
    let output = run(workshop.tested("limits").args([&library, "1048576"]));
    let said = "opened 1 refused 1 wrong 0\nmappings used up: 1\n";
    assert_eq!(text(&output.stdout), said, "{}", text(&output.stderr));
}

#[test]
fn a_library_of_many_symbols_opens_in_little_memory_or_is_refused_with_a_text() {
    let Some(workshop) = Workshop::open() else { return };
    let library = workshop.library_of_many_symbols(60_000);
    workshop.compile("limits.c", "limits", &[]);
    let output = run(workshop.tested("limits").args([&library, "8192", "data"]));
    let lines = text(&output.stdout);
    let errors = text(&output.stderr);
    assert!(lines.starts_with("opened 1 refused 1 wrong 0\n"), "{lines}{errors}");
    // A list of all its symbols' addresses would be 480,000 bytes, and the heap likes to grow by 262,144.
    assert!(number(&lines, "needed") < 100_000.0, "{lines}");
}

#[test]
fn a_start_in_any_address_space_ends_with_the_program_or_with_a_text() {
    let Some(workshop) = Workshop::open() else { return };
    workshop.compile("deep.c", "deep", &["-pthread"]);
    let mut started = 0;
    for kilobytes in (0..16_000).step_by(100) {
        let mut command = Command::new("sh");
        let script = format!("ulimit -v {kilobytes}; exec \"$@\"");
        let program = workshop.tested("deep");
        command
            .args(["-c", &script, "sh"])
            .arg(program.get_program())
            .args(program.get_args());
        let output = run(&mut command);
        let errors = text(&output.stderr);
        match output.status.code() {
            Some(0) => started += 1,
            Some(127) => assert!(!errors.is_empty(), "{kilobytes} KiB"),
            // The kernel, or the shell, could not even begin.
            _ if errors.contains("exec") || output.status.code().is_none() && kilobytes < 4000 => {}
            code => panic!("{kilobytes} KiB: {code:?} {:?}\n{errors}", output.status),
        }
    }
    assert!(started > 10, "{started}");
}

#[test]
fn a_thousand_libraries_in_a_chain_take_no_more_stack_than_ten() {
    let Some(workshop) = Workshop::open() else { return };
    workshop.compile("deep.c", "deep", &["-pthread"]);
    let (short, long) = (
        workshop.libraries("short", 10, true),
        workshop.libraries("long", 1000, true),
    );
    let lines = succeed(workshop.tested("deep").args([&short, &long]));
    let [ten, thousand] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("{lines}")
    };
    assert!(ten.ends_with("first 1") && thousand.ends_with("first 1"), "{lines}");
    assert_eq!(number(thousand, "modules") - number(ten, "modules"), 1001.0, "{lines}");
    // A search that asks for a page more or less is no recursion.
    assert!(number(thousand, "stack") <= number(ten, "stack") + 1024.0, "{lines}");
    // The same graph at the start, on a stack of 128 KiB.
    let mut command = Command::new("sh");
    let program = workshop.tested("deep");
    command.args(["-c", "ulimit -s 128; LD_PRELOAD=\"$0\" exec \"$@\"", &long]);
    command.arg(program.get_program()).args(program.get_args()).arg(&long);
    let line = succeed(&mut command);
    assert!(
        line.ends_with("first 1\n") && number(&line, "modules") > 1000.0,
        "{line}"
    );
}

#[test]
fn four_thousand_libraries_are_opened_at_once() {
    let Some(workshop) = Workshop::open() else { return };
    workshop.compile("deep.c", "deep", &["-pthread"]);
    let library = workshop.libraries("wide", 4000, false);
    let line = succeed(workshop.tested("deep").arg(&library));
    assert!(
        line.ends_with("first 1\n") && number(&line, "modules") > 4000.0,
        "{line}"
    );
}

#[test]
fn a_hundred_thousand_symbols_are_found() {
    let Some(workshop) = Workshop::open() else { return };
    let line = workshop.look_up_in_many_symbols(100_000);
    assert_eq!(line, "found 1000 of 1000, absent 1000 of 1000\n");
}

#[test]
fn twice_as_many_definitions_of_one_hash_are_no_more_than_twice_the_work() {
    let Some(workshop) = Workshop::open() else { return };
    if !has("valgrind") {
        return;
    }
    let few = workshop.look_for_a_name_of_a_hash_that_many_have(1000);
    let many = workshop.look_for_a_name_of_a_hash_that_many_have(2000);
    println!("dlopen, dlsym, dlclose: {few:?}, {many:?} instructions");
    // What goes with the square of their number would be four times as much.
    assert!(
        few.iter().zip(&many).all(|(few, many)| *many < 3 * few),
        "{few:?} {many:?}"
    );
}

#[test]
fn a_library_that_is_replaced_while_programs_start_is_the_old_one_or_the_new_one() {
    const VERSION: &str = "__attribute__((section(\".text.b\"),aligned(8192))) int b(void) { return V; }\n\
        int a(void) { return V; }\nint c[5000] = {V, [4999] = V};\nint (*d[])(void) = {a, b};\n";
    const PROGRAM: &str = "#include <stdio.h>\nint a(void), b(void); extern int c[5000], (*d[])(void);\n\
        int main(void) { return printf(\"%d%d%d%d%d\\n\", a(), b(), c[4999], d[0](), d[1]()) < 0; }\n";
    let Some(workshop) = Workshop::open() else { return };
    let path = |name: &str| workshop.folder().join(name);
    fs::write(path("version.c"), VERSION).unwrap();
    fs::write(path("program.c"), PROGRAM).unwrap();
    let gcc = |arguments: &[&str]| {
        let mut command = Command::new("gcc");
        succeed(
            command
                .args(["-O1", "-w", "-fPIC"])
                .args(arguments)
                .current_dir(workshop.folder()),
        );
    };
    for version in ["1", "2"] {
        let (define, name) = (format!("-DV={version}"), format!("version{version}"));
        gcc(&["-shared", &define, "version.c", "-o", &name]);
    }
    fs::copy(path("version1"), path("libversion.so")).unwrap();
    gcc(&["program.c", "libversion.so", "-Wl,-rpath,$ORIGIN", "-o", "program"]);
    let over = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            for version in ["version2", "version1"].iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                fs::copy(path(version), path("new")).unwrap();
                fs::rename(path("new"), path("libversion.so")).unwrap();
            }
        });
        let seen: Vec<String> = (0..200)
            .map(|_| text(&run(&mut workshop.tested("program")).stdout))
            .collect();
        over.store(true, Ordering::Relaxed);
        seen
    });
    assert!(
        seen.iter().all(|line| line == "11111\n" || line == "22222\n"),
        "{seen:?}"
    );
    assert!(
        ["11111\n", "22222\n"]
            .iter()
            .all(|line| seen.iter().any(|seen| seen == line)),
        "{seen:?}"
    );
}
