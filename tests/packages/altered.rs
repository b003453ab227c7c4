//! Copies of the system's files that people's tools have altered (`strip`, `llvm-strip`, `patchelf`, `upx`): lode takes what the system's loader takes.
//!
//! It does if it reads the copy, and if lode-tool, which goes through the loader's stages over files in memory, has no more against the copy than against the
//! file itself. UPX's programs need no loader; its libraries unpack themselves in DT_INIT.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use temp_dir::TempDir;

use super::reading::{files_below, read};
use super::tools::{has, run, text, tool};

/// The loader that says which copies can be loaded.
const SYSTEM: &str = "/lib64/ld-linux-x86-64.so.2";

/// Larger files take long, and have nothing that smaller ones have not.
const LARGEST: u64 = 4 << 20;

/// A tool with its switches: what it is called with before the file.
type Alteration = &'static [&'static str];

/// What is done to any file.
const OF_ALL: [Alteration; 8] = [
    &["strip", "-g"],
    &["strip", "-s"],
    &["strip", "--strip-unneeded"],
    &["llvm-strip", "--strip-sections"],
    &["patchelf", "--set-rpath", "$ORIGIN/../a-longer-path/lib:/opt/lib"],
    &["patchelf", "--add-needed", "libm.so.6"],
    &["patchelf", "--set-soname", "a-longer-name-than-before.so.1"],
    &["upx", "-q", "-q", "-1"],
];

/// What is done to programs: the file names no such interpreter before, and none so long.
const INTERPRETER: Alteration = &[
    "patchelf",
    "--set-interpreter",
    "/lib64/../lib64/../lib64/../lib64/../lib64/ld-linux-x86-64.so.2",
];

/// So many files, evenly from all programs and libraries.
fn sample(count: usize) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["/usr/bin", "/usr/lib/x86_64-linux-gnu"] {
        files_below(Path::new(folder), &mut files);
    }
    files.retain(|path| path.metadata().is_ok_and(|metadata| metadata.len() < LARGEST));
    let step = files.len().div_ceil(count).max(1);
    files.into_iter().step_by(step).collect()
}

/// Why lode does not take a file. A library is looked at beside a program, as one cannot be started.
fn refusal(file: &Path, tool: &Path) -> Option<String> {
    let module = match read(file) {
        Ok(module) => module,
        Err(error) => return Some(error.to_string()),
    };
    let mut command = Command::new(tool);
    command.arg("check");
    match module.layout.interpreter {
        Some(_) => command.arg(file),
        None => command.arg("--preload").arg(file).arg("/bin/true"),
    };
    let answer = run(&mut command);
    (answer.status.code() != Some(0) && answer.status.code() != Some(1))
        .then(|| text(&answer.stdout) + &text(&answer.stderr))
}

/// Whether the system's loader takes a file: maps it and finds all that it needs.
fn system_takes(file: &Path) -> bool {
    let mut command = Command::new(SYSTEM);
    command
        .arg("--list")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn no_altered_copy_is_refused_that_the_system_takes() {
    let Some(tool) = tool() else {
        return;
    };
    let wanted = env::var("LODE_ALTERED").ok().and_then(|number| number.parse().ok());
    // With the packages all of it is wanted.
    let count = wanted.unwrap_or(if env::var_os("LODE_PACKAGES").is_some() {
        400
    } else {
        12
    });
    let is_there = |alteration: &&Alteration| match alteration[0] {
        // Not in every release of Debian; of a size that not everybody wants.
        name @ ("upx" | "llvm-strip") => {
            env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).exists())
        }
        name => has(name),
    };
    let alterations: Vec<Alteration> = OF_ALL
        .iter()
        .copied()
        .chain([INTERPRETER])
        .filter(|one| is_there(&one))
        .collect();
    let folder = TempDir::new().unwrap();
    let mut files = sample(count);
    files.retain(|file| refusal(file, &tool).is_none());
    let mut refused = Vec::new();
    for alteration in alterations {
        let (mut altered, mut taken) = (0, 0);
        for (number, file) in files.iter().enumerate() {
            let copy = folder.child(format!("{number}"));
            fs::copy(file, &copy).unwrap();
            // UPX packs only what can be executed.
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
            let mut command = Command::new(alteration[0]);
            command
                .args(&alteration[1..])
                .arg(&copy)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            if command.status().is_ok_and(|status| status.success()) {
                altered += 1;
                let error = refusal(&copy, &tool).filter(|_| system_takes(&copy));
                taken += usize::from(error.is_none());
                refused.extend(error.map(|error| format!("{alteration:?} of {}: {error}", file.display())));
            }
            fs::remove_file(&copy).unwrap();
        }
        println!("{alteration:?}: {altered} of {} altered, {taken} taken", files.len());
        assert!(altered != 0, "{alteration:?} alters nothing");
    }
    assert!(refused.is_empty(), "{} refused: {refused:#?}", refused.len());
}
