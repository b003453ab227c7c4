//! The programs of `tests/faults/`, built once for each test, and how their runs are judged.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use temp_dir::TempDir;

use super::run::{End, Left, Run};
use super::tools::{has, loader, succeed};

/// A folder with the loader and programs, which every user can read.
pub struct Stand {
    folder: TempDir,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The program ran as it does without a fault.
    Ran,
    /// It did not start, and a text says why.
    Told,
    /// It was asked for a list or a help text, and wrote one.
    Listed,
    /// The kernel killed it before its first instruction.
    NotStarted,
}

impl Stand {
    /// A folder with the loader. `None`, with a word, where there is no loader or no compiler.
    pub fn open() -> Option<Stand> {
        let loader = loader()?;
        if !has("gcc") {
            return None;
        }
        let folder = TempDir::with_prefix("lode-faults-").unwrap();
        let stand = Stand { folder };
        // Other users than this one start programs here.
        fs::set_permissions(stand.folder(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(loader, stand.loader()).unwrap();
        fs::set_permissions(stand.loader(), Permissions::from_mode(0o755)).unwrap();
        Some(stand)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.child(name)
    }

    /// The loader, where every user can start it.
    pub fn loader(&self) -> PathBuf {
        self.path("lode")
    }

    /// Compiles `tests/faults/SOURCE` into NAME. Programs name the loader as their interpreter.
    pub fn compile(&self, source: &str, name: &str, flags: &[&str]) -> PathBuf {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults").join(source);
        let mut command = Command::new("gcc");
        command.args(["-O1", "-w"]).arg(file).arg("-o").arg(self.path(name));
        if !flags.contains(&"-shared") {
            command.arg(format!("-Wl,--dynamic-linker={}", self.loader().display()));
        }
        succeed(command.args(flags).current_dir(self.folder()));
        self.path(name)
    }

    /// The program without libc.
    pub fn bare(&self) -> PathBuf {
        let freestanding = ["-nostdlib", "-fno-stack-protector", "-ffreestanding"];
        let library = [&freestanding[..], &["-fPIC", "-shared"]].concat();
        self.compile("bare_library.c", "libbare.so", &library);
        let program = [
            &freestanding[..],
            &["-pie", "-fPIE", "-L.", "-lbare", "-Wl,-rpath,$ORIGIN"],
        ]
        .concat();
        self.compile("bare.c", "bare", &program)
    }

    /// The program with libc.
    pub fn program(&self) -> PathBuf {
        self.compile("library.c", "liblibrary.so", &["-fPIC", "-shared"]);
        let flags = ["-L.", "-llibrary", "-lm", "-pthread", "-Wl,-rpath,$ORIGIN"];
        self.compile("program.c", "program", &flags)
    }

    /// The program that opens a library at run time, with its arguments.
    pub fn opener(&self) -> Vec<PathBuf> {
        vec![
            self.compile("opener.c", "opener", &["-pthread"]),
            self.compile("plug.c", "plug7.so", &["-fPIC", "-shared", "-DID=7"]),
            self.compile("plug.c", "plug3.so", &["-fPIC", "-shared", "-DID=3"]),
        ]
    }

    /// The two ways to start a program: by the loader as a command, and by the kernel, which asks the loader.
    pub fn ways(&self, program: &[PathBuf]) -> [Run; 2] {
        let words: Vec<&Path> = program.iter().map(PathBuf::as_path).collect();
        let loader = self.loader();
        let command: Vec<&Path> = [loader.as_path()].into_iter().chain(words.iter().copied()).collect();
        [Run::of(&command, self.folder()), Run::of(&words, self.folder())]
    }
}

/// How a run ends that is refused: `--restore` in a variable, for which there is nothing; by a program to which `dlopen` gave a reason; by the loader. Any other
/// status is that of a program that found something wrong.
const REFUSED: [i32; 4] = [1, 44, 126, 127];

/// What came of a run of a program that says OK and ends with 42.
///
/// # Errors
/// What nothing may come to.
pub fn judge(left: &Left) -> Result<Verdict, String> {
    let runs = left.output.contains("OK");
    match left.end {
        End::NotStarted => Ok(Verdict::NotStarted),
        End::Status(42) if runs => Ok(Verdict::Ran),
        End::Status(0) if !left.output.is_empty() && !left.output.contains('E') => Ok(Verdict::Listed),
        End::Status(0) if !runs && !left.output.trim().is_empty() => Ok(Verdict::Listed),
        End::Status(status) if REFUSED.contains(&status) && !runs && !left.errors.trim().is_empty() => {
            Ok(Verdict::Told)
        }
        End::Status(_) | End::Signal(_) | End::Hangs => Err(format!(
            "{:?}\n--- 1\n{}\n--- 2\n{}",
            left.end,
            shortened(&left.output),
            shortened(&left.errors)
        )),
    }
}

/// The first lines of a text.
pub fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}
