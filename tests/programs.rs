//! Runs the test programs of `tests/programs/`: each is compiled with every linker it names and started by
//! lode, as PT_INTERP and as a command, binding lazily and at once. The system's own loader (musl's for a program of musl) starts the same file, and
//! both must agree in standard output and in how the program ends.
//!
//! A folder below `tests/programs/` is one behaviour; the first lines of its `main.c` (`main.cc`, `main.S`) say
//! what to build and to expect. `tests/runner/directives.rs` lists these directives.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `LODE_LIBCRT` | `libcrt.a`, for the programs that link it |
//! | `LODE_MUSL` | the libc.so of musl to run musl's programs with, separated by colons; without it the machine's |
//! | `LODE_ZIG` | `zig`, which links C++ with musl; without it there are no such programs (`cargo xtask test` fetches it in CI and for the suite `musl`) |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![forbid(unsafe_code)]

mod runner;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};
use runner::directives::{Behaviour, Binding, Language, Libc, Linker, Mode};
use runner::workshop::{Product, Workshop};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Programs with threads need a core of their own to meet one another; two is what CI has.
    arguments.test_threads.get_or_insert(2);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let musls: Vec<PathBuf> = (env::var_os("LODE_MUSL").iter()).flat_map(env::split_paths).collect();
    let workshop = match Workshop::open(&loader(folder), env_path("LODE_LIBCRT"), &musls) {
        Ok(workshop) => Arc::new(workshop),
        Err(error) => {
            eprintln!("programs: {error}");
            return ExitCode::FAILURE;
        }
    };
    let strict = env::var("CI").is_ok_and(|value| value == "true");
    let mut trials = Vec::new();
    for folder in behaviours(&folder.join("programs")) {
        match Behaviour::read(&folder) {
            Ok(behaviour) => trials_of(behaviour, &workshop, strict, &mut trials),
            Err(error) => trials.push(failing(&folder.display().to_string(), error)),
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` would skip the destructor that removes the build folder.
    if conclusion.has_failed() {
        ExitCode::from(101)
    } else {
        ExitCode::SUCCESS
    }
}

/// The loader under test.
fn loader(package: &Path) -> PathBuf {
    env_path("LODE_LOADER").unwrap_or_else(|| package.join("../target/lode/ld-lode-x86_64.so.1"))
}

fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from)
}

/// The folders with a `main` source, in the order of their names.
fn behaviours(programs: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(programs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// One trial for each linker, mode, time of binding and release of the libc; they share what one linker built.
fn trials_of(behaviour: Behaviour, workshop: &Arc<Workshop>, strict: bool, trials: &mut Vec<Trial>) {
    let behaviour = Arc::new(behaviour);
    let releases = workshop.oracles(behaviour.libc).len();
    for &linker in &behaviour.linkers {
        let missing = missing_tool(&behaviour, workshop, linker);
        let product = Arc::new(Product::new(linker));
        for (&mode, &binding, release) in runs(&behaviour, releases) {
            let mut name = format!("{}::{linker}::{mode}::{binding}", behaviour.name);
            if releases > 1 {
                name = format!("{name}::{}", workshop.oracles(behaviour.libc)[release].release);
            }
            let trial = match &missing {
                Some(tool) if strict => failing(&name, format!("{tool} is missing")),
                Some(tool) => Trial::test(name, || Ok(()))
                    .with_kind(format!("no {tool}"))
                    .with_ignored_flag(true),
                None => {
                    let (behaviour, workshop, product) =
                        (Arc::clone(&behaviour), Arc::clone(workshop), Arc::clone(&product));
                    Trial::test(name, move || {
                        let oracle = &workshop.oracles(behaviour.libc)[release];
                        workshop
                            .examine(&behaviour, &product, mode, binding, oracle)
                            .map_err(Failed::from)
                    })
                }
            };
            trials.push(trial);
        }
    }
}

/// Each way of running what one linker built: mode, time of binding, and the number of the oracle.
fn runs(behaviour: &Behaviour, oracles: usize) -> impl Iterator<Item = (&Mode, &Binding, usize)> {
    behaviour.modes.iter().flat_map(move |mode| {
        (behaviour.bindings.iter()).flat_map(move |binding| (0..oracles).map(move |oracle| (mode, binding, oracle)))
    })
}

fn failing(name: &str, reason: String) -> Trial {
    Trial::test(name, move || Err(Failed::from(reason)))
}

/// What this machine lacks to build and run a behaviour.
fn missing_tool(behaviour: &Behaviour, workshop: &Workshop, linker: Linker) -> Option<String> {
    let missing = |tool: &str| Some(tool.to_owned());
    if !workshop.loader_exists() {
        return missing("loader (cargo xtask build makes it)");
    }
    if !workshop.can_link(linker) {
        return missing(&linker.to_string());
    }
    match (behaviour.libc, behaviour.language) {
        (Libc::Musl, Language::C) if !workshop.has_musl_gcc() => missing("musl-gcc"),
        (Libc::Musl, Language::C) => None,
        (Libc::Musl, Language::Cxx) if !workshop.has_zig() => missing("zig (LODE_ZIG)"),
        (Libc::Musl, Language::Cxx) => None,
        (_, Language::Cxx) if !workshop.has_cxx() => missing("g++"),
        (Libc::Crt, _) if workshop.libcrt().is_none() => missing("libcrt.a (LODE_LIBCRT)"),
        _ => None,
    }
}
