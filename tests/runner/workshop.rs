//! Builds test programs in a temporary folder, runs them under both loaders and judges what came out.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use temp_dir::TempDir;

use super::directives::{After, Behaviour, Binding, Language, Libc, Linker, Mode};
use super::execution::{Outcome, execute};
use super::oracle::{MUSL, Oracle};

/// What this machine offers, and where things are built.
pub struct Workshop {
    folder: TempDir,
    /// The name that programs carry as PT_INTERP: a link to the loader under test. It is longer than the oracles', so
    /// that a copy of the program can name an oracle in its place.
    interpreter: PathBuf,
    loader: PathBuf,
    glibc: Vec<Oracle>,
    musls: Vec<Oracle>,
    libcrt: Option<PathBuf>,
    /// The folder in which the compiler driver finds `ld.lld`.
    lld_folder: Option<PathBuf>,
    bfd: bool,
    cxx: bool,
    musl_gcc: bool,
    zig: Option<PathBuf>,
}

/// What one linker made of a behaviour; the first run that needs it builds it.
pub struct Product {
    linker: Linker,
    folder: OnceLock<Result<PathBuf, String>>,
}

impl Product {
    /// A product that is not built yet.
    pub fn new(linker: Linker) -> Product {
        Product {
            linker,
            folder: OnceLock::new(),
        }
    }
}

impl Workshop {
    /// Makes the temporary folder and looks which tools there are. `musls` are the libc.so of musl to test with; none are the machine's own.
    ///
    /// # Errors
    /// The folder cannot be made, or one of `musls` is none.
    pub fn open(loader: &Path, libcrt: Option<PathBuf>, musls: &[PathBuf]) -> Result<Workshop, String> {
        let folder = TempDir::with_prefix("lode-programs-").map_err(|error| format!("no temporary folder: {error}"))?;
        let loader = loader.canonicalize().unwrap_or_else(|_| loader.to_path_buf());
        let interpreter = folder.path().join("loader-under-test-x86_64.so.1");
        symlink(&loader, &interpreter).map_err(|error| error.to_string())?;
        let lld_folder = lld_folder();
        let musls = match musls {
            [] => vec![Oracle::of_musl()],
            named => (named.iter().enumerate())
                .map(|(index, libc)| Oracle::named(folder.path(), index, libc))
                .collect::<Result<_, _>>()?,
        };
        Ok(Workshop {
            bfd: succeeds(Command::new("gcc").args(["-fuse-ld=bfd", "-Wl,--version"])),
            cxx: succeeds(Command::new("g++").arg("--version")),
            musl_gcc: succeeds(Command::new("musl-gcc").arg("--version")) && Path::new(MUSL).exists(),
            zig: std::env::var_os("LODE_ZIG").map(PathBuf::from),
            lld_folder,
            folder,
            interpreter,
            loader,
            glibc: vec![Oracle::of_glibc()],
            musls,
            libcrt: libcrt.filter(|path| path.exists()),
        })
    }

    /// Whether there is a loader to test.
    pub fn loader_exists(&self) -> bool {
        self.loader.exists()
    }

    /// Whether programs can be linked with `linker`.
    pub fn can_link(&self, linker: Linker) -> bool {
        match linker {
            Linker::Bfd => self.bfd,
            Linker::Lld => self.lld_folder.is_some(),
        }
    }

    /// Whether there is a C++ compiler.
    pub fn has_cxx(&self) -> bool {
        self.cxx
    }

    /// Whether C programs can be linked with musl.
    pub fn has_musl_gcc(&self) -> bool {
        self.musl_gcc
    }

    /// Whether C++ programs can be linked with musl.
    pub fn has_zig(&self) -> bool {
        self.zig.is_some()
    }

    /// The loaders that a program with this libc is compared with.
    pub fn oracles(&self, libc: Libc) -> &[Oracle] {
        match libc {
            Libc::Musl => &self.musls,
            _ => &self.glibc,
        }
    }

    /// The start-up library for programs without libc.
    pub fn libcrt(&self) -> Option<&Path> {
        self.libcrt.as_deref()
    }

    /// Runs a behaviour once under the oracle and once under the loader under test.
    ///
    /// # Errors
    /// It does not build, or a run is not what the directives or the other loader say.
    pub fn examine(
        &self,
        behaviour: &Behaviour,
        product: &Product,
        mode: Mode,
        binding: Binding,
        oracle: &Oracle,
    ) -> Result<(), String> {
        let folder = product
            .folder
            .get_or_init(|| self.build(behaviour, product.linker))
            .clone()?;
        let asked = behaviour.oracle && oracle.is_since(&behaviour.oracle_since) && oracle.loader.exists();
        let system = if asked {
            let outcome = self.start(behaviour, &folder, mode, binding, oracle, false)?;
            judge(behaviour, &folder, &outcome).map_err(|error| format!("under the system's loader: {error}"))?;
            Some(outcome)
        } else {
            None
        };
        let outcome = self.start(behaviour, &folder, mode, binding, oracle, true)?;
        judge(behaviour, &folder, &outcome)?;
        for text in &behaviour.lode_stderr {
            contains(&outcome, &text.replace("@DIR@", &folder.to_string_lossy()))?;
        }
        if let Some(system) = system
            && (system.stdout != outcome.stdout || system.ending != outcome.ending)
        {
            return Err(format!("the loaders differ.\nsystem's: {system}\ntested: {outcome}"));
        }
        Ok(())
    }

    /// Starts the program in its folder, by the loader under test or by the oracle.
    fn start(
        &self,
        behaviour: &Behaviour,
        folder: &Path,
        mode: Mode,
        binding: Binding,
        oracle: &Oracle,
        tested: bool,
    ) -> Result<Outcome, String> {
        let mut command = match mode {
            Mode::Interp => {
                let mut command = Command::new(folder.join(if tested { tested_copy(behaviour) } else { &oracle.copy }));
                command.arg0("./main");
                command
            }
            Mode::Command => {
                let mut command = Command::new(if tested { &self.interpreter } else { &oracle.loader });
                if let (true, Some(libc)) = (tested, &oracle.libc) {
                    command.arg("--libc").arg(libc);
                }
                command.arg("./main");
                command
            }
        };
        let here = folder.to_string_lossy();
        command
            .args(
                behaviour
                    .arguments
                    .iter()
                    .map(|argument| argument.replace("@DIR@", &here)),
            )
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .envs(
                behaviour
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value.replace("@DIR@", &here))),
            );
        if binding == Binding::Now {
            command.env("LD_BIND_NOW", "1");
        }
        // The oracle does not read it, but the program may show what it was given.
        let libc = oracle.libc.as_ref().filter(|_| matches!(mode, Mode::Interp));
        let libc = libc.map(|libc| format!("libc={}", libc.display()));
        let resolver = env::var("LODE_TEST_RULES")
            .ok()
            .map(|rules| format!("resolver={rules}"));
        let own = behaviour.environment.iter().find(|(name, _)| name == "LODE_OPTIONS");
        let own = own.map(|(_, options)| options.clone());
        let options: Vec<String> = [own, libc, resolver].into_iter().flatten().collect();
        if !options.is_empty() {
            command.env("LODE_OPTIONS", options.join(","));
        }
        execute(&mut command)
    }

    /// Builds a behaviour's libraries and program; returns their folder.
    fn build(&self, behaviour: &Behaviour, linker: Linker) -> Result<PathBuf, String> {
        let folder = self.folder.path().join(format!("{}-{linker}", behaviour.name));
        let io = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(io)?;
        for library in &behaviour.libraries {
            if let Some(parent) = Path::new(&library.file).parent() {
                fs::create_dir_all(folder.join(parent)).map_err(io)?;
            }
            let mut command = self.compiler(behaviour, linker, &folder);
            command.args(["-fPIC", "-shared"]);
            command
                .arg(behaviour.folder.join(&library.source))
                .args(["-o", &library.file]);
            command.args(sources_found(behaviour, &library.flags));
            compile(&mut command)?;
        }
        let mut command = self.compiler(behaviour, linker, &folder);
        command.args(["-fPIE", "-pie"]);
        command.arg(format!("-Wl,--dynamic-linker={}", self.interpreter.display()));
        command.arg(&behaviour.source).args(["-o", "main"]);
        command.args(sources_found(behaviour, &behaviour.flags));
        if behaviour.libc == Libc::Crt {
            command.args(self.libcrt());
        }
        compile(&mut command)?;
        for after in &behaviour.after {
            apply(after, &folder).map_err(|error| format!("{after:?}: {error}"))?;
        }
        if behaviour.libc == Libc::Musl {
            // `main` itself is as the compiler makes it without our help: as a command, lode finds musl by its PT_INTERP.
            fs::rename(folder.join("main"), folder.join(tested_copy(behaviour))).map_err(io)?;
            self.copy(behaviour, &folder, Path::new(MUSL), "main")?;
        }
        for oracle in self.oracles(behaviour.libc) {
            self.copy(behaviour, &folder, &oracle.loader, &oracle.copy)?;
        }
        Ok(folder)
    }

    /// The compiler driver with what every program and library of a behaviour has in common.
    fn compiler(&self, behaviour: &Behaviour, linker: Linker, folder: &Path) -> Command {
        let mut command = match (behaviour.libc, behaviour.language) {
            (Libc::Musl, Language::C) => Command::new("musl-gcc"),
            (Libc::Musl, Language::Cxx) => {
                let mut zig = Command::new(self.zig.as_deref().unwrap_or(Path::new("zig")));
                zig.args(["c++", "-target", "x86_64-linux-musl", "-dynamic"]);
                zig
            }
            (_, Language::C) => Command::new("gcc"),
            (_, Language::Cxx) => Command::new("g++"),
        };
        // Compiler messages in one language: they are part of our own report.
        command.current_dir(folder).env("LC_ALL", "C");
        command.args(["-O1", "-g0", "-w", "-Wl,-z,lazy", "-Wl,--no-as-needed"]);
        command
            .arg("-I")
            .arg(behaviour.folder.parent().unwrap_or(&behaviour.folder));
        if matches!(behaviour.libc, Libc::Bare | Libc::Crt) {
            // Plain loops must stay loops: nobody defines memset in a program without libc.
            command.args(["-nostdlib", "-ffreestanding", "-fno-stack-protector"]);
            command.args(["-fno-tree-loop-distribute-patterns", "-fcf-protection=none"]);
        }
        if behaviour.rpath {
            command.arg("-Wl,-rpath,$ORIGIN");
        }
        command.arg(format!("-Wl,-rpath-link,{}", folder.display()));
        match linker {
            Linker::Bfd => command.arg("-fuse-ld=bfd").args(&behaviour.flags_bfd),
            Linker::Lld => {
                if let Some(lld) = &self.lld_folder {
                    command.arg("-B").arg(lld);
                }
                command.arg("-fuse-ld=lld").args(&behaviour.flags_lld)
            }
        };
        command
    }

    /// Makes `copy`: the same program, with the name of an oracle in the place of the loader's.
    fn copy(&self, behaviour: &Behaviour, folder: &Path, oracle: &Path, copy: &str) -> Result<(), String> {
        let tested = folder.join(tested_copy(behaviour));
        let mut bytes = fs::read(&tested).map_err(|error| error.to_string())?;
        let old = self.interpreter.as_os_str().as_encoded_bytes();
        let new = oracle.as_os_str().as_encoded_bytes();
        // A program without PT_INTERP is for the command mode alone.
        if let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
            for (index, byte) in bytes.iter_mut().skip(at).take(old.len()).enumerate() {
                *byte = new.get(index).copied().unwrap_or(0);
            }
        }
        let copy = folder.join(copy);
        // The copy keeps the mode bits of the file that it is made from.
        fs::copy(tested, &copy)
            .and_then(|_| fs::write(&copy, bytes))
            .map_err(|error| error.to_string())
    }
}

/// The program that names the loader under test.
fn tested_copy(behaviour: &Behaviour) -> &'static str {
    match behaviour.libc {
        Libc::Musl => "main.lode",
        _ => "main",
    }
}

/// Flags in which the name of a source of the behaviour is its whole path.
fn sources_found(behaviour: &Behaviour, flags: &[String]) -> Vec<String> {
    let here = behaviour.folder.to_string_lossy();
    flags
        .iter()
        .map(|flag| {
            let is_source = [".c", ".cc", ".S"].iter().any(|suffix| flag.ends_with(suffix));
            if is_source {
                format!("{here}/{flag}")
            } else {
                flag.replace("@SOURCE@", &here)
            }
        })
        .collect()
}

/// Whether a run is what the directives say.
fn judge(behaviour: &Behaviour, folder: &Path, outcome: &Outcome) -> Result<(), String> {
    let here = folder.to_string_lossy();
    if outcome.ending != behaviour.ending {
        return Err(format!("expected {}, not {outcome}", behaviour.ending));
    }
    if let Some(expected) = &behaviour.stdout {
        let expected = expected.replace("@DIR@", &here);
        if expected != outcome.stdout {
            return Err(format!("expected stdout\n{expected}--- but this happened: {outcome}"));
        }
    }
    behaviour
        .stderr
        .iter()
        .try_for_each(|text| contains(outcome, &text.replace("@DIR@", &here)))
}

fn contains(outcome: &Outcome, text: &str) -> Result<(), String> {
    if outcome.stderr.contains(text) {
        return Ok(());
    }
    Err(format!("expected `{text}` in stderr, but this happened: {outcome}"))
}

fn apply(after: &After, folder: &Path) -> std::io::Result<()> {
    match after {
        After::Remove(file) => fs::remove_file(folder.join(file)),
        After::Copy(from, to) => fs::copy(folder.join(from), folder.join(to)).map(|_| ()),
        After::Folder(name) => fs::create_dir_all(folder.join(name)),
        After::Link(target, name) => symlink(target, folder.join(name)),
        After::Poke(file, offset, value) => {
            let path = folder.join(file);
            let mut bytes = fs::read(&path)?;
            if let Some(byte) = bytes.get_mut(*offset) {
                *byte = *value;
            }
            fs::write(path, bytes)
        }
        After::Truncate(file, length) => fs::File::options()
            .write(true)
            .open(folder.join(file))?
            .set_len(*length),
        After::Swap(file, old, new) => {
            let path = folder.join(file);
            let bytes = fs::read(&path)?;
            let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
            let &[place] = places.as_slice() else {
                return Err(std::io::Error::other(format!("the bytes occur {} times", places.len())));
            };
            let end = place + old.len();
            fs::write(path, [&bytes[..place], new, &bytes[end..]].concat())
        }
    }
}

/// Runs a compiler; its messages are the error.
fn compile(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let words: Vec<String> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Err(format!(
        "{} {}\n{}",
        command.get_program().display(),
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The folder of the lld that comes with the Rust toolchain, under the name that compiler drivers look for.
fn lld_folder() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).output().ok()?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    let folder = libraries.parent()?.join("bin/gcc-ld");
    folder.join("ld.lld").exists().then_some(folder)
}
