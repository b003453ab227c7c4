//! What tests of the built loader need: where it is, what the machine has, and short ways to run things.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSegment as _, ObjectSymbol as _};

/// Says why a test cannot run here. In CI that is a failure: there every tool is installed.
pub fn skip(why: &str) {
    assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
    println!("skipped: {why}");
}

/// The loader under test, absolute: `LODE_LOADER`, or the one that `cargo xtask build` left.
pub fn loader() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lode/ld-lode-x86_64.so.1");
    let found = env::var_os("LODE_LOADER").map_or(built, PathBuf::from).canonicalize();
    if found.is_err() {
        skip("there is no loader to test; `cargo xtask build` makes it");
    }
    found.ok()
}

/// The lode-tool under test, absolute: `LODE_TOOL`, or the one that `cargo xtask build` left.
pub fn tool() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lode/lode-tool");
    let found = env::var_os("LODE_TOOL").map_or(built, PathBuf::from).canonicalize();
    if found.is_err() {
        skip("there is no lode-tool to test; `cargo xtask build` makes it");
    }
    found.ok()
}

/// Whether a program can be found.
pub fn has(program: &str) -> bool {
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).exists());
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// The text of an output stream.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command in one language of messages and returns what it left.
pub fn run(command: &mut Command) -> Output {
    command.env("LC_ALL", "C").output().unwrap()
}

/// Runs a command that must succeed; returns its standard output.
pub fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// `unshare` with a mount namespace, as root or with a user namespace.
pub fn namespace() -> Option<Command> {
    for switches in ["-m", "-Urm"] {
        let mut probe = Command::new("unshare");
        probe.args([switches, "mount", "--make-rprivate", "/"]);
        if probe.output().is_ok_and(|output| output.status.success()) {
            let mut command = Command::new("unshare");
            command.arg(switches);
            return Some(command);
        }
    }
    skip("no mount namespace can be had");
    None
}

/// The switches that make the compiler driver use a linker; `None` when it is not installed.
pub fn switches(linker: &str) -> Option<Vec<String>> {
    let mut switches = vec![format!("-fuse-ld={linker}")];
    if linker == "lld" {
        // The one that comes with the Rust toolchain, under the name that compiler drivers look for.
        let output = Command::new("rustc").args(["--print", "target-libdir"]).output().ok()?;
        let libraries = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
        let folder = libraries.parent()?.join("bin/gcc-ld");
        switches.push(format!("-B{}", folder.display()));
    }
    let probe = Command::new("gcc").args(&switches).arg("-Wl,--version").output();
    probe.is_ok_and(|output| output.status.success()).then_some(switches)
}

/// A libc with a build-id that no row names and a descriptor that no row has.
pub fn unsupported(libc: &[u8]) -> Vec<u8> {
    let file = ElfFile64::<Endianness>::parse(libc).unwrap();
    let build_id = file.build_id().unwrap().unwrap();
    let symbol = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("_thread_db_pthread_tid") && symbol.is_definition())
        .unwrap();
    let descriptor = file.segments().find_map(|segment| {
        let into = symbol.address().checked_sub(segment.address())?;
        let (offset, size) = segment.file_range();
        (into < size).then_some((offset + into) as usize)
    });
    let mut bytes = libc.to_vec();
    let note = (0..libc.len()).find(|at| libc[*at..].starts_with(build_id)).unwrap();
    bytes[note] ^= 0xff;
    // Its third word is the offset.
    bytes[descriptor.unwrap() + 8] ^= 8;
    bytes
}
