//! The JSON of the questions is what `docs/json.md` says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::stand::Stand;

/// The names of all members below a value.
fn members(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                found.insert(name.clone());
                members(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| members(value, found)),
        _ => {}
    }
}

/// The part of the page about one question: from its heading to the next.
fn section<'a>(page: &'a str, question: &str) -> &'a str {
    let rest = page
        .split_once(&format!("## `{question}`\n"))
        .map_or("", |(_, rest)| rest);
    rest.split("\n## ").next().unwrap_or(rest)
}

#[test]
fn every_member_of_every_answer_is_described() {
    let Some(stand) = Stand::new() else { return };
    stand
        .library("libb.so", "int both(void) { return 2; }", &["-nostdlib"])
        .library(
            "liba.so",
            "int both(void) { return 1; }",
            &["-nostdlib", "-Wl,--no-as-needed", "libb.so"],
        )
        .program(
            "program",
            "int both(void); int main(void) { return both(); }",
            &["liba.so", "-Wl,-rpath,$ORIGIN", "-Wl,-rpath-link,."],
        );
    stand.program(
        "simple",
        "#include <stdio.h>\nint main(void) { return puts(\"\"); }",
        &["-no-pie"],
    );
    let own = std::process::id().to_string();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md")).unwrap();
    let (general, _) = page.split_once("\n## ").unwrap();
    for (status, words) in [
        (3, &["tree", "program"][..]),
        (3, &["check", "program"]),
        (3, &["why", "libb.so", "program"]),
        (1, &["why-not", "libb.so", "program"]),
        (3, &["bindings", "--all", "liba.so"]),
        (0, &["bindings", "--all", "simple"]),
        (0, &["needs", "program"]),
        (1, &["harden", "--pid", &own, "simple"]),
    ] {
        let json = stand.json(status, words);
        let mut found = BTreeSet::new();
        members(&json, &mut found);
        assert!(found.len() > 6, "{json}");
        let known = format!("{general}{}", section(&page, words[0]));
        let unknown: Vec<&String> = found
            .iter()
            .filter(|name| !known.contains(&format!("`{name}`")))
            .collect();
        assert!(
            unknown.is_empty(),
            "docs/json.md does not describe {unknown:?} of {words:?}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_one_object_and_one_status_for_every_question() {
    let Some(stand) = Stand::new() else { return };
    stand.write("text", "hello");
    for file in ["text", "/no/such/file", "/"] {
        for words in [
            &["bindings", file][..],
            &["compat", file],
            &["effective", file, "0"],
            &["needs", file],
            &["plan", file],
            &["probes", file],
            &["strict", file],
            &["tree", file],
            &["why", "libc.so.6", file],
            &["why-not", "/lib/libc.so.6", file],
            &["explain", file],
        ] {
            assert_eq!(stand.ask(words).status, 3, "{words:?}");
            let question = [words, &["--format", "json"]].concat();
            let question = if words[0] == "explain" {
                vec!["explain", "--format", "json", file]
            } else {
                question
            };
            let said = stand.ask(&question);
            assert_eq!(said.status, 3, "{words:?}: {}", said.error);
            if words[0] == "explain" && said.text.contains("\"ending\"") {
                // The loader was asked, and has said no.
                continue;
            }
            let json: serde_json::Value = serde_json::from_str(&said.text).unwrap();
            assert_eq!((&json["schema"], &json["command"]), (&1.into(), &words[0].into()));
            assert!(
                json["answer"].is_null() && json["error"].is_string(),
                "{words:?}: {}",
                said.text
            );
        }
        assert_eq!(
            stand.json(3, &["check", file])["answer"]["findings"][0]["severity"],
            "error"
        );
    }
}

#[test]
fn a_full_disk_is_no_panic() {
    let Some(stand) = Stand::new() else { return };
    for words in [
        "tree /bin/true",
        "tree /no/such/file",
        "check-libc /no/such/file",
        "explain-code",
        "--help",
    ] {
        let mut shell = std::process::Command::new("sh");
        let script = format!("\"$0\" {words} >/dev/full 2>/dev/full; echo $?");
        let said = stand.answer(shell.args(["-c", &script]).arg(stand.command().get_program()));
        let status: i32 = said.text.trim().parse().unwrap();
        assert!(status < 100, "{words}: {status}");
    }
}
