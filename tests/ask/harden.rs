//! `lode-tool harden`.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::stand::Stand;
use crate::tools::loader;

/// A library with RELRO and without, and a program that needs it.
fn linked(library: &[&str], program: &[&str]) -> Option<Stand> {
    let stand = Stand::new()?;
    let pointers = "int x; int *const to = &x; int get(void) { return *to; }";
    stand
        .library("liba.so", pointers, &[&["-nostdlib"], library].concat())
        .program(
            "server",
            "int get(void); void _start(void) { get(); for (;;) ; }",
            &[&["-nostdlib", "-no-pie", "liba.so", "-Wl,-rpath,$ORIGIN"], program].concat(),
        );
    Some(stand)
}

#[test]
fn each_mapping_is_shown_and_what_could_be_better_is_found() {
    let library = ["-Wl,-z,norelro,-z,execstack"];
    let Some(stand) = linked(&library, &["-Wl,-z,noexecstack,-z,norelro"]) else {
        return;
    };
    let said = stand.ask(&["harden", "server"]);
    assert_eq!(said.status, 1, "{}{}", said.text, said.error);
    for finding in [
        "! the program is always at the same addresses",
        "! it asks for an executable stack",
        "! no RELRO",
    ] {
        assert!(said.text.contains(finding), "{finding}: {}", said.text);
    }
}

#[test]
fn a_well_linked_program_has_no_findings() {
    let Some(stand) = Stand::new() else { return };
    let mut program = forge::Module::program("/lib64/ld-linux-x86-64.so.2");
    let entry = program.text(&[0xeb, 0xfe]);
    let place = program.relro(&[0; 8]);
    program.entry(entry).relr(place);
    program.data(&[1; 8]);
    stand.write("root/opt/server", program.forge().bytes);
    let root = stand.path("root");
    let switches = ["--root", root.to_str().unwrap()];
    let words = [&["harden", "/opt/server"], &switches[..]].concat();
    stand.golden("harden.txt", 0, &words);
    let json = stand.json(0, &words);
    let file = &json["answer"]["files"][0];
    assert_eq!(file["relro"], "full");
    let relro = file["mappings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["relro"] == true);
    assert_eq!(relro.unwrap()["sealed_if_asked"], true);
}

#[test]
fn the_kernel_tells_what_is_sealed_in_a_process() {
    let (Some(stand), Some(loader)) = (Stand::new(), loader()) else {
        return;
    };
    let source = "#include <unistd.h>\nint main(void) { write(1, \"x\", 1); for (;;) pause(); }";
    stand.program("sleeper", source, &[]);
    for (switches, is_all) in [(&["--seal"][..], true), (&[], false)] {
        let mut child = Command::new(&loader)
            .args(switches)
            .arg(stand.path("sleeper"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // What it writes says that its loader is done.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let pid = child.id().to_string();
        let json = stand.json(0, &["harden", "sleeper", "--pid", &pid]);
        child.kill().unwrap();
        child.wait().unwrap();
        let process = &json["answer"]["process"];
        assert_eq!(process["relro_pages"], process["relro_read_only"], "{process}");
        assert_eq!(process["findings"].as_array().unwrap().len(), 0);
        if process["knows_seal"] == is_all && is_all {
            assert_eq!(process["sealed"], process["stay"], "{process}");
        } else {
            assert_eq!(process["sealed"], 0, "{process}");
        }
    }
}
