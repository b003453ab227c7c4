//! The slow proof: what the whole machine code of a libc reads of its loader is what lode fills (`lode-tool check-libc`, `scan/`).
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `LODE_TOOL` | the lode-tool under test; without it the one that `cargo xtask build` left |
//! | `LODE_TREES` | trees of other systems, separated by colons, whose libcs are looked at too |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lode::abi::glibc::layout::{Layout, Place};
use scan::file::Library;
use scan::reviewed::{LODE, Reviewed, Verdict};
use scan::{Findings, Report, Structure};
use temp_dir::TempDir;
use tools::{has, loader, run, skip, succeed, text, unsupported};

const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";

/// The installed libc, if it is one that has a row.
fn installed() -> Option<&'static Path> {
    let libc = Path::new(LIBC);
    let known = Library::read(libc).is_ok_and(|library| library.row().is_ok());
    if !known {
        skip("the installed libc has no row");
    }
    known.then_some(libc)
}

/// The libcs of the trees.
fn libcs_of_trees() -> Vec<PathBuf> {
    let trees = env::var_os("LODE_TREES").unwrap_or_default();
    let folders = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64"];
    env::split_paths(&trees)
        .filter(|tree| !tree.as_os_str().is_empty())
        .map(|tree| {
            let mut places = folders.iter().map(|folder| tree.join(folder).join("libc.so.6"));
            places.find(|libc| libc.exists()).unwrap_or(tree)
        })
        .collect()
}

/// The functions that use a member, as a scan names them.
fn users<'a>(report: &'a Report, structure: Structure, member: &str) -> Option<&'a BTreeSet<String>> {
    let mut members = report.members.iter();
    let found = members.find(|found| found.part.structure == structure && found.part.member == Some(member))?;
    Some(&found.functions)
}

/// Checks that a scan has no faults, and that it found what every glibc does.
fn is_whole(libc: &Path) {
    let report = scan::check(libc).unwrap_or_else(|failure| panic!("{}: {failure}", libc.display()));
    assert_eq!(report.faults().count(), 0, "{}", report.summary());
    for (structure, member, function) in [
        (Structure::RtldGlobalRo, "_dl_pagesize", "getpagesize"),
        (Structure::RtldGlobalRo, "_dl_clktck", "__profile_frequency"),
        (Structure::RtldGlobalRo, "_dl_vdso_clock_gettime64", "clock_gettime"),
        (Structure::RtldGlobal, "_dl_nns", "dl_iterate_phdr"),
        (Structure::Namespace, "_ns_loaded", "__libc_start_main"),
        (Structure::LinkMap, "l_tls_dtor_count", "__cxa_thread_atexit_impl"),
        (Structure::LinkMap, "l_phdr", "dl_iterate_phdr"),
        (Structure::Thread, "report_events", "pthread_create"),
    ] {
        let users = users(&report, structure, member).unwrap_or_else(|| panic!("{member} is not found\n{report}"));
        assert!(
            users.contains(function),
            "{function} is not found to use {member}: {users:?}"
        );
    }
    // Leaf 7 of CPUID is what libm's resolvers look at, so that its code was followed too.
    let libm = Library::read(&libc.with_file_name("libm.so.6")).unwrap();
    assert!(libm.uses_loader());
    assert!(
        report
            .scanned
            .iter()
            .any(|scanned| scanned.0 == libm.path && scanned.1 > 10_000)
    );
}

#[test]
fn the_installed_libc_reads_nothing_that_lode_leaves_unset() {
    if let Some(libc) = installed() {
        is_whole(libc);
    }
}

#[test]
fn no_libc_of_a_tree_reads_what_lode_leaves_unset() {
    for libc in libcs_of_trees() {
        is_whole(&libc);
    }
}

/// lode's own, quick answer: one line and a status, for a libc of each kind.
#[test]
fn the_quick_answer_agrees_with_the_slow_one() {
    let Some(loader) = loader() else { return };
    let answer = |libc: &Path| {
        let output = run(Command::new(&loader).arg("--check-libc").arg(libc));
        assert_eq!(text(&output.stderr), "", "{}", libc.display());
        (output.status.code(), text(&output.stdout))
    };
    for libc in libcs_of_trees().iter().map(PathBuf::as_path).chain(installed()) {
        let row = Library::read(libc).unwrap().row().unwrap();
        assert_eq!(
            answer(libc),
            (Some(0), format!("supported: {}\n", row)),
            "{}",
            libc.display()
        );
    }
    let Some(libc) = installed() else { return };
    let folder = TempDir::with_prefix("lode-members-").unwrap();
    let forged = folder.child("libc.so.6");
    fs::write(&forged, unsupported(&fs::read(libc).unwrap())).unwrap();
    assert!(Library::read(&forged).unwrap().row().is_err());
    for (file, why) in [
        (&*forged, "this build of glibc (2."),
        (
            &libc.with_file_name("libm.so.6"),
            "this build of glibc (of unknown version) is not one that lode knows\n",
        ),
        (Path::new("/etc/passwd"), "invalid ELF header\n"),
        (
            Path::new("/gone"),
            "cannot open shared object file: No such file or directory\n",
        ),
    ] {
        let (status, line) = answer(file);
        assert_eq!(status, Some(1), "{line}");
        assert!(
            line.starts_with(&format!("not supported: {}: {why}", file.display())),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

/// Whatever is struck out of what lode fills is missed, by the name of the function that reads it.
#[test]
fn a_member_that_is_struck_out_is_reported_with_its_reader() {
    let Some(libc) = installed() else { return };
    let findings = Findings::of(libc).unwrap();
    for (structure, member, function) in [
        (Structure::RtldGlobalRo, "_dl_pagesize", "getpagesize"),
        (Structure::RtldGlobalRo, "_dl_find_object", "_dl_find_object"),
        (Structure::RtldGlobal, "_dl_load_adds", "dl_iterate_phdr"),
        (Structure::LinkMap, "l_phdr", "dl_iterate_phdr"),
        (Structure::Thread, "stack_guard", "getaddrinfo"),
    ] {
        let struck = [LODE.unfilled, &[(structure, member)]].concat();
        let list = Reviewed {
            unfilled: &struck,
            ..LODE
        };
        let report = findings.report(&list);
        let faults: Vec<_> = report.faults().collect();
        assert_eq!(faults.len(), 1, "{}", report.summary());
        assert_eq!(
            (faults[0].part.member, faults[0].verdict),
            (Some(member), Verdict::Unfilled)
        );
        assert!(faults[0].functions.contains(function), "{:?}", faults[0].functions);
        assert!(
            report.summary().contains(&format!("{member}: NOT FILLED")),
            "{}",
            report.summary()
        );
    }
}

/// Members that lode fills with what this machine or this program happens to have, which may be nothing.
const MAY_BE_ZERO: &[&str] = &[
    // Only the first module of a list has nobody before it, and nobody asked for the program.
    "l_prev",
    "l_loader",
    // A program that is not linked with them.
    "l_flags",
    "l_flags_1",
    "l_relro_addr",
    "l_relro_size",
    // A program without thread-local storage.
    "l_tls_initimage",
    "l_tls_initimage_size",
    "l_tls_blocksize",
    "l_tls_align",
    "l_tls_firstbyte_offset",
    "l_tls_offset",
    "l_tls_modid",
    // The program is the first kind of module, in the first namespace.
    "l_type",
    "l_ns",
    // An old kernel, and an old processor.
    "_dl_vdso_getrandom",
    "_dl_vdso_getcpu",
    "_dl_vdso_clock_getres_time64",
    "_dl_hwcap2",
    "isa_1",
    "preferred",
    "level1_icache_size",
    "level1_icache_linesize",
    "level3_cache_size",
    "level3_cache_assoc",
    "level3_cache_linesize",
    "level4_cache_size",
    "l_ld_readonly",
    // No debugger is there.
    "report_events",
    // The kernel keeps the processor's number there, and the first is 0.
    "rseq_area",
];

/// Members that are listed as left, but that are not zero when a program runs.
const MAY_BE_SET: &[&str] = &[
    // Not null, but of no folders.
    "_dl_init_all_dirs",
    "_dl_all_dirs",
    // libc has begun to use it.
    "tls_state",
];

/// What is wrong with the list, by a dump of a structure of a process.
fn contradictions(
    structure: Structure,
    members: impl Iterator<Item = (&'static str, Place)>,
    dump: &[u8],
) -> Vec<String> {
    let mut all = Vec::new();
    for (name, place) in members {
        let is_zero = match place {
            Place::Absent => continue,
            Place::Bytes(member) => {
                let bytes = &dump[member.offset()..member.offset() + member.size()];
                bytes.iter().all(|byte| *byte == 0)
            }
            Place::Bits(bits) => dump[bits.offset()] >> bits.bit() & !(!0 << bits.width()) == 0,
        };
        let is_left = LODE.left.iter().any(|left| left.0 == structure && left.1 == name)
            || LODE.unfilled.contains(&(structure, name));
        if is_left && !is_zero && !MAY_BE_SET.contains(&name) {
            all.push(format!("{name} of {structure:?} is listed as left zero, and is not"));
        }
        if !is_left && is_zero && !MAY_BE_ZERO.contains(&name) {
            all.push(format!("{name} of {structure:?} counts as filled, and is zero"));
        }
    }
    all
}

#[test]
fn the_reviewed_list_is_what_a_process_under_lode_has() {
    let (Some(libc), Some(loader)) = (installed(), loader().filter(|_| has("gcc"))) else {
        return;
    };
    let row = Library::read(libc).unwrap().row().unwrap();
    let row = Layout::of(row);
    let folder = TempDir::with_prefix("lode-members-").unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("trees/dump.c");
    let program = folder.child("dump");
    succeed(Command::new("gcc").arg("-w").arg(source).arg("-o").arg(&program));
    let sizes = [
        row.rtld_global_ro.size(),
        row.rtld_global.size(),
        row.link_map.size(),
        row.pthread.size(),
    ];
    let output = run(Command::new(loader)
        .arg(&program)
        .args(sizes.map(|size| size.to_string())));
    let mut rest = &*output.stdout;
    assert_eq!(rest.len(), sizes.iter().sum::<usize>(), "{}", text(&output.stderr));
    let [ro, global, map, thread] = sizes.map(|size| {
        let (part, behind) = rest.split_at(size);
        rest = behind;
        part
    });
    let cpu = &ro[row.rtld_global_ro.dl_x86_cpu_features.offset()..];
    let all = [
        contradictions(Structure::RtldGlobalRo, row.rtld_global_ro.members(), ro),
        contradictions(Structure::Processor, row.cpu_features.members(), cpu),
        contradictions(Structure::RtldGlobal, row.rtld_global.members(), global),
        contradictions(Structure::Namespace, row.link_namespaces.members(), global),
        contradictions(Structure::LinkMap, row.link_map.members(), map),
        contradictions(Structure::Thread, row.tcb.members(), thread),
        contradictions(Structure::Thread, row.pthread.members(), thread),
    ];
    assert!(all.concat().is_empty(), "{}", all.concat().join("\n"));
}

/// The lode-tool under test.
fn tool() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lode/lode-tool");
    let tool = env::var_os("LODE_TOOL").map_or(built, PathBuf::from).canonicalize();
    if tool.is_err() {
        skip("there is no lode-tool to test; `cargo xtask build` makes it");
    }
    tool.ok()
}

#[test]
fn the_tool_lists_every_member_and_says_by_its_status_what_it_found() {
    let (Some(libc), Some(tool)) = (installed(), tool()) else {
        return;
    };
    let check = |file: &Path| {
        let output = run(Command::new(&tool).arg("check-libc").arg(file));
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, list, error) = check(libc);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{list}");
    assert!(list.starts_with("_rtld_global_ro\n  0x0 _dl_debug_mask: left (0: libc has nothing to print); read by "));
    assert!(list.contains("\n  0x18 _dl_pagesize: filled; read by "), "{list}");
    assert!(list.contains("\nlink_map\n  0x0 l_addr: filled; read by "), "{list}");
    assert!(list.ends_with(" files, all filled or rightly left\n"), "{list}");

    let folder = TempDir::with_prefix("lode-members-").unwrap();
    let forged = folder.child("libc.so.6");
    let bytes = unsupported(&fs::read(libc).unwrap());
    fs::write(&forged, bytes).unwrap();
    let (status, list, error) = check(&forged);
    assert_eq!((status, error.as_str()), (Some(1), ""), "{list}");
    assert!(
        list.starts_with(&format!("{}: not supported: glibc 2.", forged.display())),
        "{list}"
    );
    assert!(list.contains("_thread_db_pthread_tid is "), "{list}");

    let (status, list, error) = check(Path::new("/etc/passwd"));
    assert_eq!((status, list.as_str()), (Some(1), ""));
    assert!(error.starts_with("lode-tool: /etc/passwd: "), "{error}");
}
