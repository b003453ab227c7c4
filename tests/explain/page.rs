//! The page in a browser, and the trace.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use temp_dir::TempDir;

use super::stand::{explain, linked, main_of};
use super::tools::{has, run, succeed, text};

/// Headless Chromium without anything of its user's.
fn browser(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let names = ["chromium-headless-shell", "chromium"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = names
        .iter()
        .find(|name| std::env::split_paths(&path).any(|folder| folder.join(name).exists()));
    let Some(name) = found else {
        has(names[0]);
        return None;
    };
    let mut command = Command::new(name);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", folder.display()));
    Some(run(command.args(arguments)))
}

/// The page about a small program, with symbols of its own.
fn page(folder: &Path) -> Option<String> {
    let file = folder.join("report.html");
    let program = main_of(folder);
    let output = run(explain()?.arg("-o").arg(&file).arg(program));
    assert_eq!(
        text(&output.stdout),
        "entered\n",
        "the program keeps its standard output"
    );
    Some(file.to_string_lossy().into_owned())
}

/// How many rows of how many a table shows.
fn shown(document: &str, table: &str) -> (u64, u64) {
    let output = document.split_once(&format!("id=\"{table}-shown\"")).unwrap().1;
    let words: Vec<&str> = output
        .split_once('(')
        .unwrap()
        .1
        .split_once(')')
        .unwrap()
        .0
        .split_whitespace()
        .collect();
    (
        words[0].parse().unwrap(),
        words[2].trim_end_matches(',').parse().unwrap(),
    )
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(folder) = linked("int distant_name(void) { return 0; }\nint part(void) { return distant_name(); }\n")
    else {
        return;
    };
    let Some(file) = page(folder.path()) else { return };
    let profile = TempDir::new().unwrap();
    let whole = format!("file://{file}");
    let Some(opened) = browser(profile.path(), &["--dump-dom", &whole]) else {
        return;
    };
    let document = text(&opened.stdout);
    let (some, all) = shown(&document, "relocations");
    assert!(some == all && all > 100, "{some} of {all}");
    let searched = browser(profile.path(), &["--dump-dom", &format!("{whole}#q=distant_name")]).unwrap();
    let found = text(&searched.stdout);
    assert_eq!(
        (shown(&found, "symbols").0, shown(&found, "relocations").0),
        (1, 1),
        "{found}"
    );
    assert!(found.contains("<td>distant_name</td>"), "{found}");
    for output in [&opened, &searched] {
        let log = text(&output.stderr);
        assert!(!log.contains("CONSOLE"), "{log}");
    }
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explain.png");
    let screenshot = format!("--screenshot={}", picture.display());
    browser(profile.path(), &["--window-size=1000,2600", &screenshot, &whole]).unwrap();
    assert!(fs::metadata(&picture).unwrap().len() > 10_000);
}

#[test]
fn the_page_needs_no_network_and_every_picture_can_be_reached() {
    let Some(folder) = linked("int part(void) { return 0; }\n") else {
        return;
    };
    let Some(file) = page(folder.path()) else { return };
    let page = fs::read_to_string(file).unwrap();
    for outside in ["http:", "https:", "src=", "@import", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Each link within a picture leads to a row that exists, so Tab reaches every rectangle and Enter its numbers.
    let links: Vec<&str> = page
        .split("<a href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() > 20);
    for link in links {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
    }
    for picture in page
        .split("<svg viewBox")
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap())
    {
        assert!(picture.contains("aria-"), "{picture}");
    }
}

#[test]
fn the_trace_is_what_viewers_read() {
    let Some(mut explain) = explain() else { return };
    let folder = TempDir::new().unwrap();
    let file = folder.child("trace.json");
    succeed(explain.arg("--trace").arg(&file).arg("/bin/true"));
    let trace: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    for kind in [
        "stage",
        "search",
        "map",
        "relocate",
        "ifunc",
        "construct",
        "constructor",
    ] {
        assert!(events.iter().any(|event| event["cat"] == kind), "{kind}");
    }
    let spans: Vec<(f64, f64)> = events
        .iter()
        .filter(|event| event["ph"] == "X")
        .map(|event| (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap()))
        .collect();
    assert!(spans.iter().all(|(begin, length)| *begin >= 0.0 && *length >= 0.0));
    let stages = events.iter().filter(|event| event["cat"] == "stage");
    let names: Vec<&str> = stages.filter_map(|event| event["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "start",
            "map",
            "link",
            "relocate",
            "wake",
            "resolve",
            "protect",
            "construct"
        ]
    );
}
