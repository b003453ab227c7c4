//! `lode-tool why` and `lode-tool why-not`.

use std::fs;
use std::os::unix::fs::symlink;

use crate::stand::Stand;

/// A program that finds libf.so.1 by its runpath, while another copy lies where the system keeps libraries.
fn root() -> Option<Stand> {
    let stand = Stand::new()?;
    let source = "int f(void) { return 1; }";
    stand
        .library("root/lib64/ld-linux-x86-64.so.2", "int loader;", &["-nostdlib"])
        .library("root/usr/lib/libf.so.1", source, &["-nostdlib"])
        .library("root/opt/lib/libf.so.1", source, &["-nostdlib"])
        .library("root/opt/lib/libother.so", source, &["-nostdlib"])
        .library("root/opt/lib/libfoo.so.9", source, &["-nostdlib"])
        .library(
            "root/opt/lib/liba.so",
            "int f(void); int a(void) { return f(); }",
            &["-nostdlib", "root/usr/lib/libf.so.1", "-Wl,-rpath,$ORIGIN"],
        )
        .program(
            "root/opt/server",
            "int a(void); void _start(void) { a(); for (;;) ; }",
            &[
                "-nostdlib",
                "root/opt/lib/liba.so",
                "-Wl,-rpath,/absent:$ORIGIN/lib",
                "-Wl,-rpath-link,root/usr/lib",
            ],
        );
    fs::create_dir_all(stand.path("root/usr/lib64")).unwrap();
    symlink("usr/lib", stand.path("root/lib")).unwrap();
    Some(stand)
}

fn ask(stand: &Stand, file: &str, status: i32, words: &[&str]) -> String {
    let root = stand.path("root");
    let switches = ["--cpu-level", "1", "--root", root.to_str().unwrap()];
    stand.golden(file, status, &[words, &switches].concat())
}

#[test]
fn why_tells_the_way_and_every_path_on_it() {
    let Some(stand) = root() else { return };
    ask(&stand, "why.txt", 0, &["why", "libf.so.1", "/opt/server"]);
    ask(&stand, "why-unwanted.txt", 1, &["why", "libfoo.so.9", "/opt/server"]);
    fs::remove_file(stand.path("root/opt/lib/libf.so.1")).unwrap();
    fs::remove_file(stand.path("root/usr/lib/libf.so.1")).unwrap();
    ask(&stand, "why-missing.txt", 3, &["why", "libf.so.1", "/opt/server"]);
}

#[test]
fn why_not_tells_what_came_first_and_where_the_file_would_have_come() {
    let Some(stand) = root() else { return };
    ask(
        &stand,
        "why-not.txt",
        1,
        &["why-not", "/usr/lib/libf.so.1", "/opt/server"],
    );
    ask(
        &stand,
        "why-not-unwanted.txt",
        1,
        &["why-not", "/opt/lib/libfoo.so.9", "/opt/server"],
    );
    ask(
        &stand,
        "why-not-loaded.txt",
        0,
        &["why-not", "/opt/lib/libf.so.1", "/opt/server"],
    );
    ask(
        &stand,
        "why-not-absent.txt",
        1,
        &["why-not", "/opt/lib/libnone.so", "/opt/server"],
    );
    let mut bytes = fs::read(stand.path("root/usr/lib/libf.so.1")).unwrap();
    bytes[18] = 183;
    stand.write("root/usr/lib/libf.so.1", bytes);
    ask(
        &stand,
        "why-not-machine.txt",
        1,
        &["why-not", "/usr/lib/libf.so.1", "/opt/server"],
    );
}

#[test]
fn both_answer_in_json() {
    let Some(stand) = root() else { return };
    let root = stand.path("root");
    let switches = ["--root", root.to_str().unwrap()];
    let json = stand.json(0, &[&["why", "libf.so.1", "/opt/server"], &switches[..]].concat());
    assert_eq!(json["answer"]["rule"]["kind"], "runpath");
    assert_eq!(
        json["answer"]["way"][1]["file"],
        "/opt/server/../lib/liba.so".replace("server/../", "")
    );
    let json = stand.json(
        1,
        &[&["why-not", "/usr/lib/libf.so.1", "/opt/server"], &switches[..]].concat(),
    );
    assert_eq!(json["answer"]["searches"][0]["reached_by"]["kind"], "default");
}
