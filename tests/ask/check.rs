//! `lode-tool check`: the stories of a missing interpreter, a missing library, missing versions and symbols, and what is no ELF file.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use forge::{Binding, HeaderField, Module};
use lode::error::{Kind, Name};

use crate::stand::Stand;
use crate::tools::{has, loader, run, succeed};

/// A program for a root of its own, without libc.
const PROGRAM: &str = "int f(void); void _start(void) { f(); for (;;) ; }";
const LIBRARY: &str = "int f(void) { return 1; }";

/// A root with what a program needs: a file in its interpreter's place, and an empty folder for libraries.
fn root() -> Option<Stand> {
    let stand = Stand::new()?;
    stand.library("root/lib64/ld-linux-x86-64.so.2", "int loader;", &["-nostdlib"]);
    fs::create_dir_all(stand.path("root/usr/lib")).unwrap();
    fs::create_dir_all(stand.path("root/opt/app/lib")).unwrap();
    symlink("usr/lib", stand.path("root/lib")).unwrap();
    Some(stand)
}

impl Stand {
    /// Links `/opt/app/server` against libraries of the folder `parts`, which need not be where it will look.
    fn server(&self, source: &str, switches: &[&str]) -> &Stand {
        self.program("root/opt/app/server", source, &[&["-nostdlib"], switches].concat())
    }

    /// Checks the server in its root.
    fn check(&self, file: &str, status: i32) -> String {
        let root = self.path("root");
        let words = [
            "check",
            "--cpu-level",
            "1",
            "--root",
            root.to_str().unwrap(),
            "/opt/app/server",
        ];
        self.golden(file, status, &words)
    }

    fn code(&self, words: &[&str]) -> String {
        let json = self.json(3, words);
        json["answer"]["findings"][0]["code"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_missing_interpreter_is_named_with_ways_out() {
    let Some(stand) = root() else { return };
    stand.server("void _start(void) { for (;;) ; }", &["-pie", "-fPIE"]);
    let root = stand.path("root");
    let root = root.to_str().unwrap();
    let clean = stand.ask(&["check", "--root", root, "/opt/app/server"]);
    assert_eq!(clean.status, 0, "{}{}", clean.text, clean.error);
    assert!(
        clean.text.starts_with("ok: 1 file, ") && clean.text.ends_with(", nothing outside the root is needed\n"),
        "{}",
        clean.text
    );
    fs::rename(stand.path("root/lib64"), stand.path("root/elsewhere")).unwrap();
    let text = stand.check("check-interpreter.txt", 3);
    assert!(text.contains("E0120"));
    // The kernel agrees, without a word about which file is missing: chroot(1) says 127.
    let start = Command::new("chroot").arg(root).arg("/opt/app/server").output();
    if let Some(code) = start.ok().and_then(|start| start.status.code()) {
        assert!(code == 127 || code == 125, "{code}");
    }
}

#[test]
fn of_a_missing_library_the_other_version_is_named_and_its_symbols_are_not() {
    let Some(stand) = root() else { return };
    stand
        .library("parts/libssl.so.1.1", LIBRARY, &["-nostdlib"])
        .library("root/usr/lib/libssl.so.3", LIBRARY, &["-nostdlib"])
        .server(PROGRAM, &["parts/libssl.so.1.1", "-Wl,-rpath,/opt/app/lib"]);
    let text = stand.check("check-missing.txt", 3);
    assert!(!text.contains("unresolved"), "{text}");
    let root = stand.path("root");
    let code = stand.code(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
    let kind = Kind::Missing {
        library: Name::from(""),
        tried: Vec::new(),
    };
    assert_eq!(code, kind.code().to_string());
}

#[test]
fn a_runpath_is_not_inherited_and_check_says_so() {
    let Some(stand) = root() else { return };
    stand
        .library("root/opt/app/lib/libb.so", LIBRARY, &["-nostdlib"])
        .library(
            "root/opt/app/lib/liba.so",
            "int f(void); int a(void) { return f(); }",
            &["-nostdlib", "root/opt/app/lib/libb.so"],
        )
        .server(
            "int a(void); void _start(void) { a(); for (;;) ; }",
            &[
                "root/opt/app/lib/liba.so",
                "-Wl,--enable-new-dtags,-rpath,$ORIGIN/lib",
                "-Wl,-rpath-link,root/opt/app/lib",
            ],
        );
    stand.check("check-runpath.txt", 3);
}

#[test]
fn a_library_that_ldconfig_has_not_seen_is_found_for_the_reader() {
    let Some(stand) = root() else { return };
    stand
        .library("root/usr/local/lib/libf.so.1", LIBRARY, &["-nostdlib"])
        .server(PROGRAM, &["root/usr/local/lib/libf.so.1"]);
    stand.check("check-ldconfig.txt", 3);
    stand.write("root/etc/ld.so.conf.d/local.conf", "# local\n/usr/local/lib\n");
    let text = stand.check("check-ldconfig-listed.txt", 3);
    assert!(text.contains("run ldconfig as root: the directory is listed"), "{text}");
}

#[test]
fn what_stands_in_a_librarys_place_is_said_in_words() {
    let Some(stand) = root() else { return };
    stand.library("root/usr/lib/libf.so.1", LIBRARY, &["-nostdlib"]);
    stand.server(PROGRAM, &["root/usr/lib/libf.so.1"]);
    let good = fs::read(stand.path("root/usr/lib/libf.so.1")).unwrap();
    let mut other = good.clone();
    other[18] = 183;
    stand.write("root/usr/lib/libf.so.1", other);
    stand.check("check-machine.txt", 3);
    stand.write(
        "root/usr/lib/libf.so.1",
        "/* GNU ld script */\nGROUP ( /lib/libf.so.2 )\n",
    );
    stand.check("check-script.txt", 3);
    fs::remove_file(stand.path("root/usr/lib/libf.so.1")).unwrap();
    symlink("libf.so.1.2.3", stand.path("root/usr/lib/libf.so.1")).unwrap();
    stand.check("check-dangling.txt", 3);
    fs::remove_file(stand.path("root/usr/lib/libf.so.1")).unwrap();
    stand.write("root/usr/lib/libf.so.1", &good[..good.len() / 2]);
    let words = ["check", "--root"];
    let root = stand.path("root");
    let said = stand.ask(&[&words[..], &[root.to_str().unwrap(), "/opt/app/server"]].concat());
    assert_eq!(said.status, 3);
    assert!(
        said.text.contains("/libf.so.1: ") && said.text.contains("truncated"),
        "{}",
        said.text
    );
}

#[test]
fn a_file_that_is_no_elf_file_is_recognised() {
    let Some(stand) = Stand::new() else { return };
    for (content, words) in [
        ("", "the file is empty"),
        ("\x1f\u{8b}", ""),
        ("hello", "text; it starts with \"hello\""),
        ("<!DOCTYPE html>", "HTML"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("GROUP ( libx.so.6 )", "names libx.so.6"),
        ("!<arch>\n", "archive of object files"),
        ("MZ", "PE"),
        ("\x7fELF\x02\x01", "cut off after 6 bytes"),
    ] {
        stand.write("file", content);
        let said = stand.ask(&["check", "file"]);
        assert_eq!(said.status, 3, "{content}: {}{}", said.text, said.error);
        assert!(said.text.contains(words), "{content}: {}", said.text);
    }
    fs::create_dir(stand.path("folder")).unwrap();
    let said = stand.ask(&["check", "folder"]);
    assert!(
        said.status == 3 && said.text.contains("a directory, not a regular file"),
        "{}",
        said.text
    );
    if has("mkfifo") {
        succeed(Command::new("mkfifo").arg(stand.path("pipe")));
        let said = stand.ask(&["check", "pipe"]);
        assert!(said.status == 3 && said.text.contains("a named pipe"), "{}", said.text);
    }
    let said = stand.ask(&["check", "/dev/null"]);
    assert!(said.status == 3 && said.text.contains("a device"), "{}", said.text);
    let said = stand.ask(&["check", "no-such-file"]);
    assert_eq!(said.status, 3, "{}", said.text);
}

#[test]
fn of_missing_symbols_all_are_named_with_what_comes_near() {
    let Some(stand) = root() else { return };
    let whole = "int f(void) {return 1;} int add(int n) {return n;} int colour(void) {return 1;} int sine(void) {return 1;}\n\
                 __asm__(\".globl _Z5twicei\\n.set _Z5twicei, f\\n\");";
    stand
        .library("root/usr/lib/libf.so.1", whole, &["-nostdlib"])
        .library(
            "root/usr/lib/libmath.so.2",
            "int sine(void) { return 1; }",
            &["-nostdlib"],
        )
        .server(
            "int f(void), add(int), colour(void), sine(void), twicei(int) __asm__(\"_Z5twicei\");\n\
             void _start(void) { f(); add(1); colour(); sine(); twicei(2); for (;;) ; }",
            &["root/usr/lib/libf.so.1", "-Wl,-z,now"],
        );
    // Another build: add() for C++, color(), twice() for C, and no sine().
    let other = "int f(void) {return 1;} int _Z3addi(int n) {return n;} int color(void) {return 1;} int twice(int n) {return n;}";
    stand.library("root/usr/lib/libf.so.1", other, &["-nostdlib"]);
    stand.check("check-symbols.txt", 3);
}

#[test]
fn missing_versions_are_named_with_their_symbols() {
    let Some(stand) = root() else { return };
    let mut library = Module::library("libv.so.1");
    let (one, two) = (library.define_version("V_1.0"), library.define_version("V_1.9"));
    let place = library.text(&[0xc3]);
    let old = library.define("old", Binding::Global, forge::Kind::Function, place, 1);
    let new = library.define("new", Binding::Global, forge::Kind::Function, place, 1);
    library.versioned(old, one).versioned(new, two);
    stand.write("root/usr/lib/libv.so.1", library.forge().bytes);
    let mut program = Module::program("/lib64/ld-linux-x86-64.so.2");
    let entry = program.text(&[0xeb, 0xfe]);
    program.entry(entry).needed("libv.so.1");
    let wanted = program.need_version("libv.so.1", "V_1.10", false);
    let also = program.need_version("libv.so.1", "V_2.0", false);
    for (name, version) in [("newer", wanted), ("newest", also)] {
        let symbol = program.undefined(name, Binding::Global);
        program.versioned(symbol, version);
        let slot = program.data(&[0; 8]);
        program.relocation(slot, 1, Some(symbol), 0);
    }
    stand.write("root/opt/app/server", program.forge().bytes);
    stand.check("check-versions.txt", 3);
}

/// A library with these versions, of which each has the symbol that is named with it.
fn versioned(soname: &str, versions: &[(&str, &str)]) -> Vec<u8> {
    let mut library = Module::library(soname);
    let place = library.text(&[0xc3]);
    for (version, name) in versions {
        let version = library.define_version(version);
        let symbol = library.define(name, Binding::Global, forge::Kind::Function, place, 1);
        library.versioned(symbol, version);
    }
    library.forge().bytes
}

/// A program that refers to one symbol in one version of libv.so.1.
fn user(name: &str, version: &str) -> Vec<u8> {
    let mut program = Module::program("/lib64/ld-linux-x86-64.so.2");
    let entry = program.text(&[0xeb, 0xfe]);
    program.entry(entry).needed("libv.so.1");
    let version = program.need_version("libv.so.1", version, false);
    let symbol = program.undefined(name, Binding::Global);
    program.versioned(symbol, version);
    let slot = program.data(&[0; 8]);
    program.relocation(slot, 1, Some(symbol), 0);
    program.forge().bytes
}

#[test]
fn another_copy_that_has_the_version_is_named_with_the_rule_that_hides_it() {
    let Some(stand) = root() else { return };
    stand
        .write(
            "root/usr/lib/libv.so.1",
            versioned("libv.so.1", &[("V_1", "old"), ("V_2", "new")]),
        )
        .write(
            "root/opt/conda/lib/libv.so.1",
            versioned("libv.so.1", &[("V_1", "old")]),
        )
        .write("root/opt/app/server", user("new", "V_2"));
    let root = stand.path("root");
    let words = [
        "check",
        "--cpu-level",
        "1",
        "--root",
        root.to_str().unwrap(),
        "/opt/app/server",
    ];
    assert_eq!(stand.ask(&words).status, 0);
    stand.golden(
        "check-hidden.txt",
        3,
        &[&words[..], &["--library-path", "/opt/conda/lib"]].concat(),
    );
}

#[test]
fn the_same_name_in_another_version_comes_near() {
    let Some(stand) = root() else { return };
    stand
        .write(
            "root/usr/lib/libv.so.1",
            versioned("libv.so.1", &[("V_1", "moved"), ("V_2", "other")]),
        )
        .write("root/opt/app/server", user("moved", "V_2"));
    stand.check("check-moved.txt", 3);
}

#[test]
fn a_libc_that_lode_does_not_know_is_an_error_only_where_lode_would_start_it() {
    let Some(stand) = root() else { return };
    stand
        .library("root/usr/lib/libc.so.6", LIBRARY, &["-nostdlib"])
        .server(PROGRAM, &["root/usr/lib/libc.so.6"]);
    let root = stand.path("root");
    let words = ["check", "--root", root.to_str().unwrap(), "/opt/app/server"];
    let said = stand.ask(&words);
    assert_eq!(said.status, 1, "{}{}", said.text, said.error);
    assert!(
        said.text.starts_with("warning[E0210]: /lib/libc.so.6: "),
        "{}",
        said.text
    );
    let Some(loader) = loader() else { return };
    fs::copy(loader, stand.path("root/lib64/ld-linux-x86-64.so.2")).unwrap();
    let said = stand.ask(&words);
    assert_eq!(said.status, 3, "{}{}", said.text, said.error);
    assert!(said.text.starts_with("error[E0210]: /lib/libc.so.6: "), "{}", said.text);
}

#[test]
fn an_abi_version_is_refused_with_lodes_own_code() {
    let Some(stand) = root() else { return };
    let mut program = Module::program("/lib64/ld-linux-x86-64.so.2");
    let entry = program.text(&[0xeb, 0xfe]);
    program.entry(entry);
    let mut file = program.forge();
    file.bytes[8] = 1;
    stand.write("root/opt/app/server", &file.bytes);
    let root = stand.path("root");
    let code = stand.code(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
    let kind = Kind::WrongAbiVersion {
        osabi: 0,
        version: 1,
        supported: 0,
    };
    assert_eq!(code, kind.code().to_string());
    let mut file = program.forge();
    let cut = file.bytes.len() - 1;
    file.truncate(cut).set_header(HeaderField::Type, 3);
    stand.write("root/opt/app/server", &file.bytes);
    let said = stand.ask(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
    assert!(said.status == 3 && said.text.contains("truncated"), "{}", said.text);
}

#[test]
fn larger_pages_are_asked_for_by_a_switch() {
    let Some(stand) = root() else { return };
    let root = stand.path("root");
    let root = root.to_str().unwrap();
    let check = |size: &str| stand.ask(&["check", "--root", root, "--page-size", size, "/opt/app/server"]);
    stand.server("void _start(void) { for (;;) ; }", &["-Wl,-z,max-page-size=4096"]);
    assert_eq!(check("4k").status, 0, "{}", check("4k").text);
    let said = check("16k");
    assert!(
        said.status == 3 && said.text.contains("built for pages of 4 KiB, not 16 KiB"),
        "{}",
        said.text
    );
    assert!(said.text.contains("-z max-page-size=0x4000"), "{}", said.text);
    stand.server("void _start(void) { for (;;) ; }", &["-Wl,-z,max-page-size=65536"]);
    assert_eq!(check("65536").status, 0, "{}", check("64k").text);
    assert_eq!(check("0x10000").status, 0, "{}", check("0x10000").text);
    assert_eq!(check("3k").status, 2);
}

#[test]
fn a_small_p_align_is_no_reason_to_refuse_and_hides_none() {
    let Some(stand) = root() else { return };
    stand.server(
        "int n = 1; void _start(void) { for (;;) ; }",
        &["-Wl,-z,max-page-size=4096"],
    );
    let good = fs::read(stand.path("root/opt/app/server")).unwrap();
    let root = stand.path("root");
    let root = root.to_str().unwrap();
    // The program headers of PT_LOAD.
    let count = usize::from(good[56]);
    let loads: Vec<usize> = (0..count)
        .map(|index| 64 + index * 56)
        .filter(|at| good[*at..*at + 4] == [1, 0, 0, 0])
        .collect();
    for align in [0, 1, 8] {
        let mut bytes = good.clone();
        for load in &loads {
            bytes[load + 48..load + 56].copy_from_slice(&u64::to_le_bytes(align));
        }
        stand.write("root/opt/app/server", &bytes);
        let said = stand.ask(&["check", "--root", root, "/opt/app/server"]);
        assert_eq!(said.status, 0, "p_align {align}: {}", said.text);
        for machine in [183, 243] {
            bytes[18] = machine;
            stand.write("root/opt/app/server", &bytes);
            let said = stand.ask(&["check", "--root", root, "/opt/app/server"]);
            assert!(!said.text.contains("E0119"), "p_align {align}: {}", said.text);
            bytes[18] = 62;
        }
        // A segment behind the end of the file is what is wrong here.
        bytes[loads[0] + 32..loads[0] + 40].copy_from_slice(&u64::to_le_bytes(1 << 30));
        bytes[loads[0] + 40..loads[0] + 48].copy_from_slice(&u64::to_le_bytes(1 << 30));
        stand.write("root/opt/app/server", &bytes);
        let text = stand.ask(&["check", "--root", root, "/opt/app/server"]).text;
        assert!(
            text.contains("E0112") && !text.contains("E0119"),
            "p_align {align}: {text}"
        );
    }
}

#[test]
fn kept_relocations_are_held_against_the_bytes() {
    let Some(stand) = root() else { return };
    let source = "static int n = 5; static int g(void) { return n; } int f(void) { return g() + n; } void _start(void) { f(); for (;;) ; }";
    stand.server(source, &["-Wl,--emit-relocs", "-O0", "-fno-inline"]);
    let root = stand.path("root");
    let check = || stand.ask(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
    assert_eq!(check().status, 0, "{}", check().text);
    // The displacement of the first `mov n(%rip), %eax`.
    let mut bytes = fs::read(stand.path("root/opt/app/server")).unwrap();
    let at = bytes.windows(2).position(|two| two == [0x8b, 0x05]).unwrap();
    bytes[at + 2] ^= 1;
    stand.write("root/opt/app/server", bytes);
    let said = check();
    assert!(
        said.status == 1 && said.text.contains("that the linker kept disagree with the bytes"),
        "{}",
        said.text
    );
}

#[test]
fn a_file_that_relocates_itself_is_named() {
    let Some(stand) = root() else { return };
    let mut program = Module::program("/lib64/ld-linux-x86-64.so.2");
    let entry = program.text(&[0xeb, 0xfe]);
    // DT_RELR with the bit that hides it from loaders.
    program.entry(entry).tag(0x0800_0024, 0x1000);
    stand.write("root/opt/app/server", program.forge().bytes);
    let root = stand.path("root");
    let said = stand.ask(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
    assert!(
        said.status == 1 && said.text.contains("relocates itself (relrhack)"),
        "{}",
        said.text
    );
    if has("objcopy") {
        stand.server("void _start(void) { for (;;) ; }", &[]);
        stand.write("data", "x");
        succeed(
            Command::new("objcopy")
                .arg("--add-section")
                .arg(format!(".elfhack.data.v1={}", stand.path("data").display()))
                .arg(stand.path("root/opt/app/server")),
        );
        let said = stand.ask(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
        assert!(
            said.status == 1 && said.text.contains("relocates itself (elfhack)"),
            "{}",
            said.text
        );
    }
}

#[test]
fn a_whole_root_is_checked_file_by_file() {
    let Some(stand) = root() else { return };
    stand
        .library("root/usr/lib/libf.so.1", LIBRARY, &["-nostdlib"])
        .library("parts/libgone.so", LIBRARY, &["-nostdlib"])
        .library(
            "root/usr/lib/libplugin.so",
            "int f(void); int p(void) { return f(); }",
            &["-nostdlib", "parts/libgone.so"],
        )
        .server(PROGRAM, &["root/usr/lib/libf.so.1"])
        .program(
            "root/opt/app/static",
            "void _start(void) { for (;;) ; }",
            &["-nostdlib", "-static", "-no-pie"],
        )
        .program("root/opt/app/broken", PROGRAM, &["-nostdlib", "parts/libgone.so"]);
    stand.write("root/etc/passwd", "root:x:0:0::/:\n");
    let root = stand.path("root");
    let json = stand.json(3, &["check", "--cpu-level", "1", "--root", root.to_str().unwrap()]);
    let answer = &json["answer"];
    assert_eq!(answer["programs"], 3, "{answer}");
    let findings = answer["findings"].as_array().unwrap();
    let files: Vec<&str> = findings
        .iter()
        .map(|finding| finding["file"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["/opt/app/broken", "/usr/lib/libplugin.so"], "{answer}");
    assert_eq!(findings[1]["severity"], "warning");
}

#[test]
fn symbols_of_another_machines_program_are_looked_up_too() {
    let Some(stand) = root() else { return };
    stand
        .library("root/usr/lib/libf.so.1", LIBRARY, &["-nostdlib"])
        .server(
            PROGRAM,
            &[
                "root/usr/lib/libf.so.1",
                "-Wl,--dynamic-linker,/lib/ld-linux-aarch64.so.1",
            ],
        )
        .library("root/usr/lib/libf.so.1", "int g(void) { return 1; }", &["-nostdlib"])
        .library("root/usr/lib/ld-linux-aarch64.so.1", "int loader;", &["-nostdlib"]);
    for name in ["usr/lib/libf.so.1", "opt/app/server", "usr/lib/ld-linux-aarch64.so.1"] {
        let path = format!("root/{name}");
        let mut bytes = fs::read(stand.path(&path)).unwrap();
        bytes[18] = 183;
        stand.write(&path, bytes);
    }
    let root = stand.path("root");
    let said = stand.ask(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
    assert!(
        said.status == 3 && said.text.contains("1 symbol unresolved: f\n"),
        "{}",
        said.text
    );
}

#[test]
fn a_function_of_glibc_is_known_as_such_on_a_musl_system() {
    let Some(stand) = root() else { return };
    stand
        .library(
            "root/usr/lib/ld-musl-x86_64.so.1",
            "int printf(void) { return 1; }",
            &["-nostdlib"],
        )
        .library("parts/libc.so", "int __printf_chk(void) { return 1; }", &["-nostdlib"])
        .server(
            "int __printf_chk(void); void _start(void) { __printf_chk(); for (;;) ; }",
            &["parts/libc.so", "-Wl,--dynamic-linker,/lib/ld-musl-x86_64.so.1"],
        );
    stand.check("check-musl.txt", 3);
}

#[test]
fn every_program_of_this_system_that_starts_is_clean() {
    let Some(stand) = Stand::new() else { return };
    for program in [
        "/bin/ls",
        "/usr/bin/env",
        "/usr/bin/gcc",
        "/usr/bin/python3",
        "/usr/bin/git",
    ] {
        if run(Command::new(program).arg("--version")).status.success() {
            let said = stand.ask(&["check", program]);
            assert_eq!(said.status, 0, "{program}: {}{}", said.text, said.error);
        }
    }
}

/// A program and a library that wants a function of no file, with these switches for the library.
fn with_a_call_to_nothing(switches: &[&str]) -> Option<Stand> {
    let stand = Stand::new()?;
    let library = "void nowhere(void); void call(int really) { if (really) nowhere(); }";
    stand.library("libcall.so", library, switches).program(
        "program",
        "void call(int); int main(int count, char **_) { call(count > 1); return 0; }",
        &[
            "libcall.so",
            "-Wl,-rpath,$ORIGIN",
            "-Wl,--allow-shlib-undefined",
            "-Wl,-z,lazy",
        ],
    );
    Some(stand)
}

/// Whether a program starts under the system's loader.
fn starts(command: &mut Command) -> bool {
    run(command).status.success()
}

#[test]
fn a_call_that_nothing_satisfies_is_a_warning_where_the_loader_waits_for_it() {
    let Some(stand) = with_a_call_to_nothing(&["-Wl,-z,lazy"]) else {
        return;
    };
    let program = || Command::new(stand.path("program"));
    assert!(starts(&mut program()) && !starts(program().env("LD_BIND_NOW", "1")));
    let said = stand.ask(&["check", "program"]);
    assert_eq!(said.status, 1, "{}{}", said.text, said.error);
    assert!(
        said.text
            .contains("warning[E0301]: DIR/libcall.so: 1 symbol unresolved: nowhere\n")
            && said.text.contains("the first call ends it"),
        "{}",
        said.text
    );
    let json = stand.json(1, &["bindings", "program"]);
    assert_eq!(json["answer"]["waiting"][0]["symbol"], "nowhere");
    assert!(json["answer"]["refusal"].is_null());
    for question in ["check", "bindings"] {
        let said = stand.ask(&[question, "--bind-now", "program"]);
        assert_eq!(said.status, 3, "{}{}", said.text, said.error);
        let said = stand.answer(
            stand
                .command()
                .env("LD_BIND_NOW", "1")
                .arg(question)
                .arg(stand.path("program")),
        );
        assert_eq!(said.status, 3, "{}{}", said.text, said.error);
    }
}

#[test]
fn a_call_that_nothing_satisfies_is_an_error_where_the_file_wants_all_at_once() {
    let Some(stand) = with_a_call_to_nothing(&["-Wl,-z,now"]) else {
        return;
    };
    assert!(!starts(&mut Command::new(stand.path("program"))));
    let said = stand.ask(&["check", "program"]);
    assert_eq!(said.status, 3, "{}{}", said.text, said.error);
    assert!(said.text.contains("error[E0301]: DIR/libcall.so"), "{}", said.text);
    // A pointer to it does not wait either, whoever else calls it.
    let source =
        "void nowhere(void); void (*pointer)(void) = nowhere; void call(int really) { if (really) nowhere(); }";
    stand.library("libcall.so", source, &["-Wl,-z,lazy"]);
    assert!(!starts(&mut Command::new(stand.path("program"))));
    assert_eq!(stand.ask(&["check", "program"]).status, 3);
}

#[test]
fn relative_paths_count_from_the_working_directory() {
    let Some(stand) = Stand::new() else { return };
    fs::create_dir(stand.path("sub")).unwrap();
    stand
        .library("sub/libsub.so", LIBRARY, &["-nostdlib"])
        .link_with("gcc", "libpath.so", LIBRARY, &["-shared", "-fPIC", "-nostdlib"])
        .program(
            "by-path",
            "int f(void); int main(void) { return f() - 1; }",
            &["./libpath.so"],
        )
        .program(
            "by-name",
            "int f(void); int main(void) { return f() - 1; }",
            &["sub/libsub.so"],
        )
        .program(
            "by-rpath",
            "int f(void); int main(void) { return f() - 1; }",
            &["sub/libsub.so", "-Wl,--disable-new-dtags,-rpath,sub"],
        );
    for (program, variable, switches) in [
        ("./by-path", "", &[][..]),
        ("./by-rpath", "", &[]),
        ("./by-name", "sub", &[]),
        ("./by-name", "", &["--library-path", "sub"]),
    ] {
        let at = |mut command: Command| {
            command.current_dir(stand.folder.path());
            if !variable.is_empty() {
                command.env("LD_LIBRARY_PATH", variable);
            }
            command
        };
        if switches.is_empty() {
            let mut start = at(Command::new(stand.path(program)));
            assert!(starts(&mut start), "{program}");
        }
        for question in ["check", "tree", "bindings"] {
            let mut command = at(stand.command());
            let said = stand.answer(command.arg(question).args(switches).arg(program));
            assert_eq!(said.status, 0, "{question} {program}: {}{}", said.text, said.error);
        }
        let library = if program == "./by-path" {
            "./libpath.so"
        } else {
            "libsub.so"
        };
        let said = stand.answer(at(stand.command()).args(["why", library]).args(switches).arg(program));
        assert_eq!(said.status, 0, "{program}: {}{}", said.text, said.error);
    }
}

#[test]
fn one_other_library_is_not_many() {
    let Some(stand) = root() else { return };
    let defined = "int lost(void) { return 1; }";
    for (count, words) in [
        (2, "and 1 other library define it"),
        (3, "and 2 other libraries define it"),
    ] {
        stand
            .library("root/usr/lib/libneed.so", defined, &["-nostdlib"])
            .library("root/usr/lib/libhas1.so", defined, &["-nostdlib"])
            .library(&format!("root/usr/lib/libhas{count}.so"), defined, &["-nostdlib"])
            .server(
                "int lost(void); void _start(void) { lost(); for (;;) ; }",
                &["root/usr/lib/libneed.so", "-Wl,-z,now"],
            )
            .library("root/usr/lib/libneed.so", "int other;", &["-nostdlib"]);
        let root = stand.path("root");
        let said = stand.ask(&["check", "--root", root.to_str().unwrap(), "/opt/app/server"]);
        assert!(said.text.contains(words), "{}", said.text);
    }
}
