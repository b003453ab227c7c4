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
