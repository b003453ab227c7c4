//! Programs of `tests/stress/` and forged libraries, built into a folder of their own.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use forge::{Binding, HashStyle, Kind, Module, sysv_hash};
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

    /// Makes `libsymbols.so` with `count` symbols, and words that hold the addresses of a hundred of them.
    pub fn library_of_many_symbols(&self, count: u32) -> String {
        let mut source = String::from(".text\n.globl first\nfirst:\nmov $1, %eax\nret\n");
        for number in 0..count {
            writeln!(
                source,
                ".globl symbol_{number}\nsymbol_{number} = first + {}",
                number % 64
            )
            .unwrap();
        }
        source.push_str(".data\n");
        for number in (0..count).step_by(count as usize / 100) {
            writeln!(source, ".quad symbol_{number}").unwrap();
        }
        fs::write(self.folder.child("symbols.s"), source).unwrap();
        let mut command = Command::new("gcc");
        command.args(["-shared", "-nostdlib", "symbols.s", "-o", "libsymbols.so"]);
        succeed(command.current_dir(self.folder()));
        "./libsymbols.so".to_owned()
    }

    /// Makes a library with `count` symbols, and looks up some of them and some that it has not; returns what that says.
    pub fn look_up_in_many_symbols(&self, count: u32) -> String {
        let library = self.library_of_many_symbols(count);
        self.compile("symbols.c", "symbols", &[]);
        succeed(self.tested("symbols").args([&library, &count.to_string()]))
    }

    /// Looks for a name where there are `count` definitions of another one that has the same hash, in each of three libraries: in DT_HASH as a library is
    /// opened (by lode's index), in DT_GNU_HASH by dlsym among all (in the table of what many libraries define); and closes one of them. Returns how many
    /// instructions the three took, as valgrind counts them.
    pub fn look_for_a_name_of_a_hash_that_many_have(&self, count: usize) -> [u64; 3] {
        let write = |name: &str, library: &Module| {
            fs::write(self.folder.child(name), library.forge().bytes).unwrap();
        };
        // "ab" and "bA" have one DT_GNU_HASH, so all strings of these two have.
        let name = "ab".repeat(12);
        let buckets = count as u32 / 2;
        let is_beside = |other: &String| *other != name && sysv_hash(other) % buckets == sysv_hash(&name) % buckets;
        let absent = (1..1u32 << 12).map(|bits| {
            let of = |place: u32| if bits >> place & 1 == 0 { "ab" } else { "bA" };
            (0..12).map(of).collect::<String>()
        });
        let absent = absent.into_iter().find(is_beside).unwrap();
        for (file, style) in [
            ("sysv.so", HashStyle::Sysv),
            ("gnu1.so", HashStyle::Gnu),
            ("gnu2.so", HashStyle::Gnu),
        ] {
            let mut library = Module::library(file);
            library.hash_style(style);
            let code = library.text(&[0xc3]);
            for _ in 1..count {
                library.define(&name, Binding::Global, Kind::Function, code, 1);
            }
            write(file, &library);
        }
        let mut asks = Module::library("asks.so");
        asks.needed("sysv.so").runpath("$ORIGIN");
        let place = asks.data(&[0; 8]);
        let symbol = asks.undefined(&absent, Binding::Weak);
        asks.relocation(place, 1, Some(symbol), 0);
        write("asks.so", &asks);
        // So many references that it pays to know what each of so many libraries defines.
        let many = self.libraries("many", 20, false);
        let mut refers = Module::library("refers.so");
        let first = refers.undefined("first", Binding::Global);
        for _ in 0..4000 {
            let place = refers.data(&[0; 8]);
            refers.relocation(place, 1, Some(first), 0);
        }
        write("refers.so", &refers);
        self.compile("work.c", "work", &[]);
        let profile = self.folder.child("profile");
        let mut command = Command::new("valgrind");
        command
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", profile.display()));
        command.arg(&self.loader).args(["./work", "./asks.so", &absent, &many]);
        command.args(["./refers.so", "./gnu1.so", "./gnu2.so"]);
        command.env("LODE_OPTIONS", "resolver=index");
        succeed(command.current_dir(self.folder()));
        let profile = fs::read_to_string(profile).unwrap();
        ["open_one", "find", "close_one"].map(|function| of_call(&profile, function))
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

/// What the one call of a function took (Callgrind Format Specification): a name is written out once, as in `fn=(3) find`; after that its number stands for it.
fn of_call(profile: &str, function: &str) -> u64 {
    let named = profile
        .lines()
        .find_map(|line| line.strip_suffix(&format!(" {function}")));
    let (_, number) = named.and_then(|line| line.rsplit_once('=')).unwrap();
    let call = format!("cfn={number}");
    let mut lines = profile.lines().skip_while(|line| line.split(' ').next() != Some(&call));
    // The name, how often it is called from where, and what that took.
    lines.nth(2).unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}
