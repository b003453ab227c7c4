//! `lode-tool needs`.

use std::path::Path;
use std::process::Command;

use forge::{Binding, Module};

use crate::stand::Stand;
use crate::tools::{has, succeed};

/// A program that uses these symbols of glibc.
fn tool(symbols: &[(&str, &str)]) -> Module {
    let mut program = Module::program("/lib64/ld-linux-x86-64.so.2");
    let entry = program.text(&[0xeb, 0xfe]);
    program.entry(entry).needed("libc.so.6");
    for (name, version) in symbols {
        let version = program.need_version("libc.so.6", version, false);
        let symbol = program.undefined(name, Binding::Global);
        program.versioned(symbol, version);
    }
    program
}

#[test]
fn the_oldest_glibc_is_that_of_the_newest_symbol() {
    let Some(stand) = Stand::new() else { return };
    let mut program = tool(&[
        ("__libc_start_main", "GLIBC_2.34"),
        ("fstat", "GLIBC_2.33"),
        ("__printf_chk", "GLIBC_2.3.4"),
        ("puts", "GLIBC_2.2.5"),
    ]);
    stand.write("tool", program.forge().bytes);
    stand.golden("needs.txt", 0, &["needs", "tool"]);
    let json = stand.json(0, &["needs", "tool"]);
    assert_eq!(json["answer"]["glibc"]["oldest"], "2.34");
    assert_eq!(json["answer"]["musl"]["runs"], false);
    let said = stand.ask(&["check", "--max-glibc", "2.31", "tool"]);
    assert!(
        said.text.contains("needs glibc 2.34, and 2.31 is allowed"),
        "{}",
        said.text
    );
    // Packed relative relocations want a newer one.
    let place = program.data(&[0; 8]);
    program.relr(place);
    stand.write("tool", program.forge().bytes);
    stand.golden("needs-relr.txt", 0, &["needs", "tool"]);
}

#[test]
fn the_newest_version_is_the_one_that_readelf_shows() {
    let Some(stand) = Stand::new() else { return };
    if !has("readelf") {
        return;
    }
    for program in ["/bin/ls", "/usr/bin/gcc", "/usr/bin/git"]
        .into_iter()
        .filter(|path| Path::new(path).exists())
    {
        let table = succeed(Command::new("readelf").args(["-VW", program]));
        let names = table
            .split("Name: GLIBC_")
            .skip(1)
            .filter_map(|rest| rest.split_whitespace().next());
        let newest = names.max_by_key(|version| {
            version
                .split('.')
                .map(|part| part.parse::<u32>().unwrap_or(0))
                .collect::<Vec<_>>()
        });
        let json = stand.json(0, &["needs", program]);
        assert_eq!(json["answer"]["glibc"]["oldest"], newest.unwrap(), "{program}");
    }
}

#[test]
fn a_musl_program_is_judged_by_the_names_that_musl_has() {
    let Some(stand) = Stand::new() else { return };
    let mut library = Module::library("libc.so");
    library.define("puts", Binding::Global, forge::Kind::Function, 0x1000, 1);
    let mut program = Module::program("/lib/ld-musl-x86_64.so.1");
    let entry = program.text(&[0xeb, 0xfe]);
    program.entry(entry).needed("libc.so");
    program.undefined("puts", Binding::Global);
    stand.write("tool", program.forge().bytes);
    stand.golden("needs-musl.txt", 0, &["needs", "tool"]);
    program.undefined("renameat2", Binding::Global);
    stand.write("tool", program.forge().bytes);
    let json = stand.json(0, &["needs", "tool"]);
    assert_eq!(json["answer"]["musl"]["oldest"], "1.2.5");
    let place = program.data(&[0; 8]);
    program.undefined("error", Binding::Global);
    program.relr(place);
    stand.write("tool", program.forge().bytes);
    stand.golden("needs-musl-not.txt", 0, &["needs", "tool"]);
}
