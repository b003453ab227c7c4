//! `lode-tool tree`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stand::Stand;
use crate::tools::{has, loader, run, skip, succeed, text};

/// The note of a library that would like another (UAPI Group specification "ELF Metadata").
const NOTE: &str = r#"__asm__(
    ".section .note.dlopen,\"a\",@note\n.balign 4\n.long 2f-1f, 4f-3f, 0x407c0c0a\n1: .asciz \"FDO\"\n2: .balign 4\n"
    "3: .asciz \"[{\\\"soname\\\":[\\\"libextra.so\\\",\\\"libb.so\\\"],\\\"feature\\\":\\\"more\\\","
    "\\\"priority\\\":\\\"suggested\\\"},{\\\"soname\\\":[\\\"libnone.so\\\"]}]\"\n4: .balign 4\n.text\n");
"#;

/// A server that finds one library by its own runpath, and the next by that library's rpath.
fn server() -> Option<Stand> {
    let stand = Stand::new()?;
    let nolibc = ["-nostdlib"];
    stand
        .library("deep/libb.so", "int b(void) { return 2; }", &nolibc)
        .library(
            "lib/liba.so",
            &format!("{NOTE}int b(void); int a(void) {{ return b(); }}"),
            &[
                "-nostdlib",
                "deep/libb.so",
                "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../deep",
            ],
        )
        .program(
            "server",
            "int a(void), b(void); void _start(void) { a(); b(); for (;;) ; }",
            &[
                "-nostdlib",
                "lib/liba.so",
                "deep/libb.so",
                "-Wl,--enable-new-dtags,-rpath,$ORIGIN/lib",
            ],
        );
    // It needs liba.so before libb.so, so that the rpath of the first finds the second only when the first asks for it.
    Some(stand)
}

#[test]
fn a_tree_names_the_rule_where_a_library_is_first_shown() {
    let Some(stand) = server() else { return };
    stand.golden("tree.txt", 3, &["tree", "server"]);
    fs::copy(stand.path("deep/libb.so"), stand.path("lib/libb.so")).unwrap();
    stand.golden("tree-whole.txt", 0, &["tree", "server"]);
    stand.golden("tree-list.txt", 0, &["tree", "--list", "server"]);
    stand.golden("tree-graph.txt", 0, &["tree", "--dot", "server"]);
}

#[test]
fn the_tree_as_json_names_rules_and_what_may_be_opened() {
    let Some(stand) = server() else { return };
    let json = stand.json(3, &["tree", "server"]);
    let answer = &json["answer"];
    assert_eq!(answer["machine"], "x86-64");
    let liba = &answer["needs"][1];
    assert_eq!(liba["rule"]["kind"], "runpath");
    assert_eq!(liba["rule"]["of"], "DIR/server");
    assert_eq!(liba["needs"][0]["rule"]["kind"], "rpath");
    assert_eq!(liba["optional"][0]["names"][1], "libb.so");
    assert_eq!(liba["optional"][1]["path"], serde_json::Value::Null);
}

/// The lines of a list without addresses and vDSO.
fn lines(list: &str) -> Vec<String> {
    let file = |line: &str| line.split(" (0x").next().unwrap_or_default().to_owned();
    list.lines()
        .filter(|line| !line.contains("linux-vdso"))
        .map(file)
        .collect()
}

/// Every ELF program of a folder, by its real path: ldd(1) takes `$ORIGIN` from the name that it is given, a start does not.
fn programs(folder: &str) -> BTreeSet<PathBuf> {
    let is_elf =
        |path: &PathBuf| path.is_file() && fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF\x02\x01"));
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    let real = entries.filter_map(|entry| entry.ok()?.path().canonicalize().ok());
    real.filter(is_elf).collect()
}

#[test]
fn the_list_of_every_program_is_what_the_systems_loader_lists() {
    let Some(stand) = Stand::new() else { return };
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    if !loader.exists() {
        return skip("the system's loader is not glibc's");
    }
    let mut compared = 0;
    for program in programs("/usr/bin") {
        let name = program.to_str().unwrap();
        let list = run(Command::new(loader)
            .arg(&program)
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .env_remove("LD_LIBRARY_PATH"));
        // What has no dynamic section is loaded and run by it, or refused: no list.
        let ours = stand.ask(&["tree", "--list", name]);
        if ours.text == "\tnot a dynamic executable\n" {
            continue;
        }
        assert_eq!(lines(&ours.text), lines(&text(&list.stdout)), "{name}");
        compared += 1;
    }
    assert!(compared > 50, "only {compared} programs were compared");
}

/// The directory of a library is the one that it was found by, also where a link leads there.
#[test]
fn origin_is_shown_as_the_systems_loader_has_it() {
    let Some(stand) = Stand::new() else { return };
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    if !loader.exists() {
        return skip("the system's loader is not glibc's");
    }
    let link = |name: &str, source: &str, switches: &[&str]| {
        stand.link_with("gcc", name, source, switches);
    };
    fs::create_dir_all(stand.path("real")).unwrap();
    symlink("real", stand.path("linked")).unwrap();
    let shared = ["-shared", "-fPIC"];
    let soname = ["-Wl,-soname,libb.so"];
    link(
        "real/libb.so",
        "int b(void) { return 2; }",
        &[&shared[..], &soname].concat(),
    );
    let needs_b = ["-Wl,-soname,liba.so", "real/libb.so", "-Wl,-rpath,$ORIGIN"];
    let source = "int b(void); int a(void) { return b(); }";
    link("real/liba.so", source, &[&shared[..], &needs_b].concat());
    let needs_a = ["real/liba.so", "-Wl,-rpath,$ORIGIN/linked", "-Wl,-rpath-link,real"];
    link("program", "int a(void); int main(void) { return a(); }", &needs_a);
    let program = stand.path("program").canonicalize().unwrap();
    let list = run(Command::new(loader).arg("--list").arg(&program));
    let ours = run(Command::new(crate::tools::tool().unwrap())
        .args(["tree", "--list"])
        .arg(&program));
    assert!(text(&ours.stdout).contains("/linked/libb.so"), "{}", text(&ours.stderr));
    assert_eq!(lines(&text(&ours.stdout)), lines(&text(&list.stdout)));
}

#[test]
fn a_musl_programs_list_is_what_musls_loader_lists() {
    let Some(stand) = Stand::new() else { return };
    let loader = Path::new("/lib/ld-musl-x86_64.so.1");
    if !has("musl-gcc") || !loader.exists() {
        return;
    }
    let shared = |name: &str, source: &str, switches: &[&str]| {
        stand.link_with("musl-gcc", name, source, &[&["-shared", "-fPIC"], switches].concat());
    };
    fs::create_dir_all(stand.path("lib")).unwrap();
    fs::create_dir_all(stand.path("deep")).unwrap();
    shared("deep/libb.so", "int b(void) { return 2; }", &["-Wl,-soname,libb.so"]);
    shared(
        "lib/liba.so",
        "int b(void); int a(void) { return b(); }",
        &["-Wl,-soname,other", "deep/libb.so"],
    );
    // musl inherits the program's runpath, which glibc does not, and goes by file names, not by sonames.
    stand.link_with(
        "musl-gcc",
        "program",
        "int a(void); int main(void) { return a(); }",
        &[
            "lib/liba.so",
            "-lm",
            // An entry that is no directory is passed over.
            "-Wl,-rpath,$ORIGIN/program:$ORIGIN/lib:$ORIGIN/deep",
            "-Wl,-rpath-link,deep",
        ],
    );
    stand.golden("tree-musl-missing.txt", 3, &["tree", "program"]);
    fs::rename(stand.path("lib/liba.so"), stand.path("lib/other")).unwrap();
    stand.golden("tree-musl.txt", 0, &["tree", "program"]);
    let theirs = succeed(Command::new(loader).arg("--list").arg(stand.path("program")));
    let files = |list: &str| -> BTreeSet<String> {
        let path = |line: &str| {
            line.split(" (0x")
                .next()?
                .rsplit(' ')
                .next()
                .map(str::trim)
                .map(str::to_owned)
        };
        list.lines()
            .filter_map(path)
            .filter(|path| path.contains("lode-ask"))
            .collect()
    };
    let ours = run(Command::new(crate::tools::tool().unwrap())
        .args(["tree", "--list"])
        .arg(stand.path("program")));
    let real = |paths: BTreeSet<String>| -> BTreeSet<PathBuf> {
        paths
            .iter()
            .map(|path| Path::new(path).canonicalize().unwrap())
            .collect()
    };
    assert_eq!(real(files(&text(&ours.stdout))), real(files(&theirs)));
}

#[test]
fn a_program_for_another_machine_in_a_root_has_a_tree() {
    let Some(stand) = Stand::new() else { return };
    stand
        .library(
            "root/usr/lib/aarch64-linux-gnu/libb.so",
            "int b(void) { return 2; }",
            &["-nostdlib"],
        )
        .library("root/usr/lib/ld-linux-aarch64.so.1", "int loader;", &["-nostdlib"])
        .program(
            "root/bin/program",
            "int b(void); void _start(void) { b(); for (;;) ; }",
            &[
                "-nostdlib",
                "root/usr/lib/aarch64-linux-gnu/libb.so",
                "-Wl,--dynamic-linker,/lib/ld-linux-aarch64.so.1",
            ],
        );
    // Where a file's tables are does not depend on the machine, so that another number in e_machine makes it another machine's.
    for name in [
        "root/usr/lib/aarch64-linux-gnu/libb.so",
        "root/usr/lib/ld-linux-aarch64.so.1",
        "root/bin/program",
    ] {
        let mut bytes = fs::read(stand.path(name)).unwrap();
        bytes[18] = 183;
        stand.write(name, bytes);
    }
    std::os::unix::fs::symlink("usr/lib", stand.path("root/lib")).unwrap();
    let root = stand.path("root");
    stand.golden(
        "tree-aarch64.txt",
        0,
        &["tree", "--root", root.to_str().unwrap(), "/bin/program"],
    );
}

#[test]
fn of_a_long_chain_the_first_levels_are_shown() {
    const FILES: usize = 100;
    let Some(stand) = Stand::new() else { return };
    for index in (0..FILES).rev() {
        let mut library = forge::Module::library(&format!("lib{index}.so"));
        if index + 1 < FILES {
            library.needed(&format!("lib{}.so", index + 1));
        }
        stand.write(&format!("lib{index}.so"), library.forge().bytes);
    }
    let path = stand.folder.path().to_str().unwrap().to_owned();
    let words = ["tree", "--library-path", &path, "lib0.so"];
    let said = stand.ask(&words);
    let lines: Vec<&str> = said.text.lines().collect();
    assert_eq!((said.status, lines.len()), (0, 50), "{}", said.text);
    assert!(
        lines[49].ends_with("… (level 48; --list shows all files)"),
        "{}",
        lines[49]
    );
    let json = stand.json(0, &words);
    let mut node = &json["answer"];
    let mut levels = 0;
    while let Some(next) = node["needs"].get(0) {
        node = next;
        levels += 1;
    }
    assert_eq!((levels, &node["cut"]), (48, &true.into()));
    let list = stand.ask(&["tree", "--list", "--library-path", &path, "lib0.so"]);
    assert_eq!(list.text.lines().count(), FILES - 1, "{}", list.text);
}

#[test]
fn platform_means_the_same_to_every_question_and_to_lode() {
    let Some(stand) = Stand::new() else { return };
    let end = "__asm__ volatile(\"syscall\" :: \"a\"(231L), \"D\"(0L))";
    stand
        .library("x86_64/libp.so", "int p(void) { return 1; }", &["-nostdlib"])
        .program(
            "program",
            &format!("int p(void); void _start(void) {{ p(); {end}; }}"),
            &["-nostdlib", "x86_64/libp.so", "-Wl,-rpath,$ORIGIN/$PLATFORM"],
        );
    let tree = stand.ask(&["tree", "program"]);
    assert!(
        tree.text.contains("libp.so => DIR/x86_64/libp.so [runpath of program]"),
        "{}",
        tree.text
    );
    let check = stand.ask(&["check", "program"]);
    assert_eq!(check.status, 0, "{}", check.text);
    let Some(loader) = loader() else { return };
    succeed(Command::new(loader).arg(stand.path("program")));
}
