//! `lode-tool bindings`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::stand::Stand;
use crate::tools::{run, skip, text};

#[test]
fn the_first_definition_wins_and_the_others_are_shadowed() {
    let Some(stand) = Stand::new() else { return };
    stand
        .library(
            "liba.so",
            "int both(void) { return 1; } int a(void) { return both(); }",
            &["-nostdlib"],
        )
        .library(
            "libb.so",
            "int both(void) { return 2; } int b(void) { return both(); } int n = 4;",
            &["-nostdlib"],
        )
        .program(
            "program",
            "int a(void), b(void); extern int n; void _start(void) { a(); b(); n++; for (;;) ; }",
            &[
                "-nostdlib",
                "-no-pie",
                "-fno-pie",
                "liba.so",
                "libb.so",
                "-Wl,-rpath,$ORIGIN",
            ],
        );
    stand.golden("bindings.txt", 0, &["bindings", "program"]);
    stand.golden("bindings-symbol.txt", 0, &["bindings", "program", "n"]);
    stand.golden("bindings-all.txt", 0, &["bindings", "program", "--all"]);
    stand.golden("bindings-unknown.txt", 1, &["bindings", "program", "none"]);
    let json = stand.json(0, &["bindings", "program"]);
    assert_eq!(json["answer"]["symbols"][0]["shadowed"][0]["file"], "DIR/libb.so");
}

/// File, file and symbol of each binding that the system's loader reports.
fn reported(program: &str) -> BTreeSet<(String, String, String)> {
    let output = run(Command::new(program)
        .arg("--version")
        .env("LD_DEBUG", "bindings")
        .env("LD_BIND_NOW", "1"));
    let binding = |line: &str| {
        let (from, rest) = line.split_once("binding file ")?.1.split_once(" [0] to ")?;
        let (to, rest) = rest.split_once(" [0]: ")?;
        let symbol = rest.split_once('`')?.1.split_once('\'')?.0;
        let file = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        Some((file(from), file(to), symbol.to_owned()))
    };
    // What the program opens later is not a part of its start.
    let stderr = text(&output.stderr);
    stderr
        .lines()
        .take_while(|line| !line.contains("calling init"))
        .filter_map(binding)
        .collect()
}

#[test]
fn the_bindings_of_a_program_are_those_that_the_systems_loader_reports() {
    let Some(stand) = Stand::new() else { return };
    if !Path::new("/lib64/ld-linux-x86-64.so.2").exists() {
        return skip("the system's loader is not glibc's");
    }
    let program = "/bin/ls";
    let json = stand.json(0, &["bindings", program, "--all"]);
    let name = |value: &serde_json::Value| value.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut ours = BTreeSet::new();
    for one in json["answer"]["symbols"].as_array().unwrap() {
        for user in one["users"].as_array().unwrap() {
            ours.insert((name(user), name(&one["winner"]), name(&one["symbol"])));
        }
        if let Some(source) = one["copied_from"].as_str() {
            ours.insert((
                name(&one["winner"]),
                source.rsplit('/').next().unwrap().to_owned(),
                name(&one["symbol"]),
            ));
        }
    }
    let mut theirs = reported(program);
    // The loader's own references, which it reports because it is bound again.
    theirs.retain(|(from, ..)| !from.starts_with("ld-linux") && from != "linux-vdso.so.1");
    let missing: Vec<_> = theirs.difference(&ours).collect();
    assert!(missing.is_empty(), "only the system's loader reports {missing:?}");
    let more: Vec<_> = ours.difference(&theirs).collect();
    assert!(more.is_empty(), "only lode-tool reports {more:?}");
}
