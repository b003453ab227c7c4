//! The route for a distribution whose glibc lode does not know: its refusal names a command, the command makes a row, and with the row programs run.
//!
//! The installed glibc plays the unknown one: in a copy of the sources its rows are taken out. What the command makes has to be, byte for byte,
//! what was taken out. `LODE_ROWS` has to be set, because two loaders and the project's commands are built for it: `cargo xtask test --suite rows`.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use scan::file::Library;
use temp_dir::TempDir;
use tools::{run, skip, succeed, text};

const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// The rows, in the sources.
const LAYOUTS: &str = "loader/src/abi/glibc/layout";

/// What lode says of the unknown glibc: `@PROGRAM@`, `@LIBC@`, `@RELEASE@` and `@BUILD_ID@` stand for what is installed.
const REFUSAL: &str = include_str!("rows/refusal.txt");

/// The separate debug file of an installed file.
fn debug_file(of: &Path) -> Option<PathBuf> {
    let build_id = build_id(of);
    let (folder, file) = build_id.split_at(2);
    let path = PathBuf::from(format!("/usr/lib/debug/.build-id/{folder}/{file}.debug"));
    path.exists().then_some(path)
}

fn build_id(of: &Path) -> String {
    let bytes = fs::read(of).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let build_id = object::Object::build_id(&file).unwrap().unwrap();
    build_id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Copies the sources, without what is built and without history.
fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        if entry.file_type().unwrap().is_dir() {
            copy_sources(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// A row that was made from the debug information of a package: its name and its text.
struct Row {
    name: String,
    text: String,
}

/// Takes the rows of glibc 2.`release` out of the sources; returns the one that came from a package, which has a file of its own.
fn take_out(sources: &Path, release: u8) -> Row {
    let layouts = sources.join(LAYOUTS);
    let start = format!("v2_{release}_");
    let list = fs::read_to_string(layouts.join("mod.rs")).unwrap();
    let is_row = |line: &&str| line.trim().starts_with(&start) && line.trim().ends_with(',');
    let mut rows = list.lines().filter(is_row);
    let name = rows.next().unwrap().trim().trim_end_matches(',').to_owned();
    assert_eq!(rows.next(), None, "two packages of 2.{release}");
    let rest: Vec<&str> = list.lines().filter(|line| !is_row(line)).collect();
    fs::write(layouts.join("mod.rs"), rest.join("\n") + "\n").unwrap();
    let file = layouts.join(format!("{name}.rs"));
    let row = fs::read_to_string(&file).unwrap();
    fs::remove_file(file).unwrap();
    take_out_states(&layouts.join("upstream.rs"), release);
    Row { name, text: row }
}

/// Takes what is known of a release from glibc's own sources out of the list of such states.
fn take_out_states(path: &Path, release: u8) {
    let field = format!("release: {release},");
    let text = fs::read_to_string(path).unwrap();
    let start = "&[Source] = &[\n";
    let (before, rest) = text.split_once(start).unwrap();
    let (list, behind) = rest.split_once("];\n").unwrap();
    let all: Vec<&str> = list.split_inclusive("    },\n").collect();
    let kept: Vec<&str> = all.iter().copied().filter(|state| !state.contains(&field)).collect();
    assert!(kept.len() < all.len(), "no state of 2.{release}");
    fs::write(path, format!("{before}{start}{}];\n{behind}", kept.concat())).unwrap();
}

/// One of the project's commands, in a copy of the sources with a target folder of its own.
fn xtask(sources: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("xtask").args(arguments).current_dir(sources);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("LODE_") || name.starts_with("CARGO_") && name != "CARGO_HOME" {
            command.env_remove(&*name);
        }
    }
    command
}

/// Builds the loader of the development profile and runs a program under it.
fn under_lode(sources: &Path, program: &[&str]) -> Output {
    succeed(&mut xtask(sources, &["build", "--debug"]));
    run(Command::new(sources.join("target/lode/debug/ld-lode-x86_64.so.1")).args(program))
}

#[test]
fn the_row_of_an_unknown_glibc_is_made_by_the_command_that_its_refusal_names() {
    if env::var_os("LODE_ROWS").is_none() {
        return;
    }
    let loader = Path::new(LOADER).canonicalize().unwrap();
    let Some(debug) = debug_file(&loader) else {
        return skip("the debug information of the installed glibc (libc6-dbg) is not there");
    };
    let Ok(known) = Library::read(Path::new(LIBC)).unwrap().row() else {
        return skip("the installed glibc has no row");
    };
    let folder = TempDir::with_prefix("lode-rows-").unwrap();
    let sources = folder.child("lode");
    copy_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &sources);
    let layouts = sources.join(LAYOUTS);
    let list = fs::read_to_string(layouts.join("mod.rs")).unwrap();
    let names = fs::read_to_string(layouts.join("names.txt")).unwrap();
    let taken = take_out(&sources, known.release);

    let refused = under_lode(&sources, &["/bin/true"]);
    let expected = REFUSAL
        .replace("@PROGRAM@", "/bin/true")
        .replace("@LIBC@", LIBC)
        .replace("@RELEASE@", &format!("2.{}", known.release))
        .replace("@BUILD_ID@", &build_id(Path::new(LIBC)));
    assert_eq!(text(&refused.stderr), expected);
    assert_eq!(refused.status.code(), Some(127));
    assert_eq!(text(&refused.stdout), "");

    let (_, command) = expected.split_once("`cargo xtask ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let command = command.replace("DEBUGFILE", debug.to_str().unwrap());
    let command: Vec<&str> = command.split(' ').collect();
    let said = succeed(&mut xtask(&sources, &command));
    assert!(said.contains(&format!("`{},`", taken.name)), "{said}");
    let made = fs::read_to_string(layouts.join(format!("{}.rs", taken.name))).unwrap();
    assert_eq!(made, taken.text);
    assert_eq!(fs::read_to_string(layouts.join("names.txt")).unwrap(), names);

    // What the command says is left to do.
    fs::write(layouts.join("mod.rs"), list).unwrap();
    let runs = under_lode(&sources, &["/bin/ls", "/"]);
    assert!(runs.status.success(), "{}", text(&runs.stderr));
    assert_eq!(text(&runs.stdout), succeed(Command::new("/bin/ls").arg("/")));
    let proof = succeed(&mut xtask(&sources, &["tables", "--verify"]));
    assert!(proof.contains("all filled or rightly left"), "{proof}");
}
