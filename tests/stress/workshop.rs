//! Programs of `tests/stress/` and forged libraries, built into a folder of their own.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use forge::{Binding, HashStyle, Kind, Module};
use temp_dir::TempDir;

use super::tools::{has, loader, succeed};

/// The loader whose answers count as right, and whose rate is the measure.
pub const SYSTEM: &str = "/lib64/ld-linux-x86-64.so.2";

/// How many libraries `plug.c` makes.
pub const PLUGS: usize = 8;

/// A loader and a folder with what it runs.
pub struct Workshop {
    loader: PathBuf,
    folder: TempDir,
}

impl Workshop {
    /// An empty folder. `None`, with a word, where there is no loader or no compiler.
    pub fn open() -> Option<Workshop> {
        let loader = loader()?;
        has("gcc").then(|| Workshop {
            loader,
            folder: TempDir::with_prefix("lode-stress-").unwrap(),
        })
    }

    /// The folder, which is also the working directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Compiles `tests/stress/SOURCE` into NAME.
    pub fn compile(&self, source: &str, name: &str, flags: &[&str]) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("stress").join(source);
        succeed(
            Command::new("gcc")
                .args(["-O1", "-w"])
                .arg(file)
                .arg("-o")
                .arg(self.folder.child(name))
                .args(flags)
                .current_dir(self.folder()),
        );
    }

    /// The libraries `plug0.so` and so on, with every model of thread-local storage, and the program `everything`.
    pub fn compile_everything(&self) {
        for number in 0..PLUGS {
            let id = format!("-DID={number}");
            let model = match number % 4 {
                0 => "-mtls-dialect=gnu2",
                1 => "-ftls-model=local-dynamic",
                _ => "-ftls-model=global-dynamic",
            };
            self.compile("plug.c", &format!("plug{number}.so"), &["-fPIC", "-shared", &id, model]);
        }
        self.compile("everything.c", "everything", &["-pthread"]);
    }

    /// Compiles a program of `tests/programs/` in C++, and the libraries FILE, SOURCE, FLAGS that it opens.
    pub fn compile_behaviour(&self, folder: &str, libraries: &[(&str, &str, &[&str])]) {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
        let compiler = |source: &Path, name: &str| {
            let mut command = Command::new("g++");
            command.args(["-O1", "-w", "-pthread", "-I"]).arg(&programs).arg(source);
            command
                .args(["-o", name, "-Wl,-rpath,$ORIGIN"])
                .current_dir(self.folder());
            command
        };
        for (file, source, flags) in libraries {
            let mut command = compiler(&programs.join(source), file);
            succeed(command.args(["-fPIC", "-shared", "-nostdlib"]).args(*flags));
        }
        succeed(&mut compiler(&programs.join(folder).join("main.cc"), folder));
    }

    /// Writes forged libraries `PREFIX0.so` to `PREFIX{count - 1}.so` and `PREFIX.so`, which needs them: all of them, or the first one, which needs the second
    /// and so on. Each has a function that returns 1 (`first` in the first) and a word that holds the address of the next one's.
    pub fn libraries(&self, prefix: &str, count: usize, chain: bool) -> String {
        let file = |number: usize| format!("{prefix}{number}.so");
        for number in 0..count {
            let mut library = Module::library(&file(number));
            library.hash_style(HashStyle::Gnu);
            // mov $1, %eax; ret
            let code = library.text(&[0xb8, 1, 0, 0, 0, 0xc3]);
            let name = if number == 0 {
                "first".to_owned()
            } else {
                format!("{prefix}{number}")
            };
            library.define(&name, Binding::Global, Kind::Function, code, 6);
            if chain && number + 1 < count {
                library.needed(&file(number + 1)).runpath("$ORIGIN");
                let place = library.data(&[0; 8]);
                let next = library.undefined(&format!("{prefix}{}", number + 1), Binding::Global);
                library.relocation(place, 1, Some(next), 0);
            }
            fs::write(self.folder.child(file(number)), library.forge().bytes).unwrap();
        }
        let mut top = Module::library(&format!("{prefix}.so"));
        top.runpath("$ORIGIN");
        for number in 0..if chain { 1 } else { count } {
            top.needed(&file(number));
        }
        let name = format!("{prefix}.so");
        fs::write(self.folder.child(&name), top.forge().bytes).unwrap();
        self.folder.child(name).display().to_string()
    }

    /// Makes a library with `count` symbols, and looks up some of them and some that it has not; returns what that says.
    pub fn look_up_in_many_symbols(&self, count: u32) -> String {
        let mut source = String::from(".text\n.globl first\nfirst:\nmov $1, %eax\nret\n");
        for number in 0..count {
            writeln!(
                source,
                ".globl symbol_{number}\nsymbol_{number} = first + {}",
                number % 64
            )
            .unwrap();
        }
        fs::write(self.folder.child("symbols.s"), source).unwrap();
        let mut command = Command::new("gcc");
        command.args(["-shared", "-nostdlib", "symbols.s", "-o", "libsymbols.so"]);
        succeed(command.current_dir(self.folder()));
        self.compile("symbols.c", "symbols", &[]);
        succeed(self.tested("symbols").args(["./libsymbols.so", &count.to_string()]))
    }

    /// A program of the folder under the loader that is tested.
    pub fn tested(&self, program: &str) -> Command {
        self.under(&self.loader, program)
    }

    /// The same program under the system's loader.
    pub fn system(&self, program: &str) -> Command {
        self.under(Path::new(SYSTEM), program)
    }

    fn under(&self, loader: &Path, program: &str) -> Command {
        let mut command = Command::new(loader);
        command.arg(self.folder.child(program)).current_dir(self.folder());
        command
    }
}

/// The number behind a word of a line.
pub fn number(line: &str, word: &str) -> f64 {
    let behind = line
        .split_once(&format!("{word} "))
        .unwrap_or_else(|| panic!("no `{word}` in {line}"));
    let end = behind
        .1
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(behind.1.len());
    behind.1[..end].parse().unwrap()
}
