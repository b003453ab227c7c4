//! Where a refusal is provoked: a folder with forged files, a command in it, and a transcript of what that did.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use forge::{Forged, Module, SegmentField};
use temp_dir::TempDir;

use super::execution::{Ending, execute};

/// The library that is wrong, in the cases in which a library is.
pub const BAD: &str = "libbad.so";
/// `xor %edi, %edi; mov $231, %eax; syscall`: ends with status 0.
const ENDS_WELL: &[u8] = b"\x31\xff\xb8\xe7\0\0\0\x0f\x05";
/// PT_LOAD
const LOAD: u64 = 1;

/// One refusal.
pub struct Case {
    /// Of the case and of its golden file.
    pub name: &'static str,
    /// The code that it is the proof of: [`lode::error::Kind::code`].
    pub code: Option<&'static str>,
    /// Whether the text is a report, which states the code, or lines without one.
    pub is_report: bool,
    /// Files without which the case is skipped.
    pub needs: &'static [&'static str],
    /// Why the case cannot be tried here, if something else is missing.
    pub missing: Option<&'static str>,
    /// How else the same files lead to the same text.
    pub also: Also,
    /// What `lode-tool check` is asked, which has to name the code too.
    pub asked: Asked,
    /// Makes the files in the folder and says what to run.
    pub stage: Box<dyn Fn(&Folder) -> Run + Send>,
}

/// How else the files of a case are tried, besides the command that its golden file shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Also {
    /// In no other way.
    Nothing,
    /// A library that is wrong: its program is given to lode by the kernel, with the same report; and another program opens the library with
    /// `dlopen`, which returns, and gets the first line of the report from `dlerror`.
    Library,
    /// A program that is wrong: it is given to lode by the kernel, if the kernel takes it, with the same report.
    Program,
}

/// What `lode-tool check` is asked about the files of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Whether the command's program would start, with the command's library path.
    Program,
    /// Whether the library that a program opens could be loaded.
    Library,
    /// As `Program`; what stands in the file is worth a word there with another code, and the reason.
    Otherwise(&'static str, &'static str),
    /// As `Program`; the start succeeds, and what is missing ends it later: a warning.
    Later,
    /// Nothing, because only a run shows it: why.
    Nothing(&'static str),
}

/// Opens what its argument names, and goes on.
const OPENER: &str = "#include <dlfcn.h>\n#include <stdio.h>\n\
    int main(int count, char **words) { void *found = dlopen(words[1], RTLD_NOW); puts(found ? \"opened\" : dlerror()); return 0; }\n";

/// A command, as a shell would have it: variables, then words. The word `ld-lode` is the loader under test.
pub struct Run {
    pub variables: Vec<(&'static str, &'static str)>,
    pub words: Vec<&'static str>,
}

impl Run {
    /// A command without variables.
    pub fn new(words: &[&'static str]) -> Run {
        Run {
            variables: Vec::new(),
            words: words.to_vec(),
        }
    }

    /// With a variable more.
    pub fn with(mut self, name: &'static str, value: &'static str) -> Run {
        self.variables.push((name, value));
        self
    }
}

impl Run {
    /// Where the command says that libraries are.
    fn library_path(&self) -> Option<&'static str> {
        let option = self.words.iter().position(|word| *word == "--library-path");
        let variable = self.variables.iter().find(|(name, _)| *name == "LD_LIBRARY_PATH");
        let value = option.and_then(|place| self.words.get(place + 1).copied());
        value.or(variable.map(|(_, value)| *value))
    }
}

impl Asked {
    /// The code that `lode-tool check` has to name, if it is asked.
    pub fn code(self, case: &Case) -> Option<&'static str> {
        match self {
            Asked::Program | Asked::Library | Asked::Later => case.code,
            Asked::Otherwise(code, _) => Some(code),
            Asked::Nothing(_) => None,
        }
    }
}

/// The folder of one case.
pub struct Folder {
    path: PathBuf,
    /// What programs name as their interpreter.
    interpreter: PathBuf,
}

/// The loader under test, lode-tool, and the folder of all cases.
pub struct Stand {
    folder: TempDir,
    loader: PathBuf,
    tool: Option<PathBuf>,
}

/// What a case came to.
pub struct Seen {
    /// The command, what it wrote, how it ended.
    pub transcript: String,
    /// What `lode-tool check` says of the same files, if it was asked.
    pub checked: Option<String>,
}

impl Stand {
    /// Makes the folder.
    ///
    /// # Errors
    /// There is no loader, or no temporary folder can be had.
    pub fn open(loader: &Path, tool: Option<PathBuf>) -> Result<Stand, String> {
        let loader = loader
            .canonicalize()
            .map_err(|error| format!("{} (cargo xtask build makes it): {error}", loader.display()))?;
        let folder =
            TempDir::with_prefix("lode-diagnostics-").map_err(|error| format!("no temporary folder: {error}"))?;
        symlink(&loader, folder.path().join("ld-lode")).map_err(|error| error.to_string())?;
        Ok(Stand { folder, loader, tool })
    }

    /// Runs a case and writes down what was to be seen.
    ///
    /// # Errors
    /// The command cannot be started, does not end, or a start failed with another code than the case claims; or lode-tool does not name that.
    pub fn see(&self, case: &Case) -> Result<Seen, String> {
        let folder = Folder {
            path: self.folder.path().join(case.name),
            interpreter: self.folder.path().join("ld-lode"),
        };
        fs::create_dir(&folder.path).map_err(|error| error.to_string())?;
        let run = (case.stage)(&folder);
        let (program, arguments) = run.words.split_first().ok_or("no command")?;
        let mut command = match *program {
            "ld-lode" => Command::new(&self.loader),
            program => Command::new(folder.path.join(program)),
        };
        command
            .arg0(program)
            .args(arguments)
            .current_dir(&folder.path)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .envs(run.variables.iter().copied());
        let outcome = execute(&mut command)?;
        let variables = run.variables.iter().map(|(name, value)| format!("{name}={value} "));
        let ending = ending(&outcome.ending);
        let transcript = format!(
            "$ {}{}\n{}{}{ending}\n",
            variables.collect::<String>(),
            run.words.join(" "),
            outcome.stdout,
            outcome.stderr
        );
        let transcript = self.without_accidents(&transcript, &folder);
        self.others(case.also, &transcript, &folder)?;
        match (case.code, code_of(&transcript)) {
            (Some(claimed), found) if case.is_report && found != Some(claimed) => {
                Err(format!("lode[{claimed}] was to be provoked:\n{transcript}"))
            }
            _ => Ok(Seen {
                checked: self.checked(case, &run, &folder)?,
                transcript,
            }),
        }
    }

    /// What `lode-tool check` says of the files, which has to name the code of the case and to end with the status of an error, or of a warning ([`Asked::Later`]).
    fn checked(&self, case: &Case, run: &Run, folder: &Folder) -> Result<Option<String>, String> {
        let (Some(tool), Some(claimed)) = (&self.tool, case.asked.code(case)) else {
            return Ok(None);
        };
        let path = run.library_path();
        let target = match case.asked {
            Asked::Library => BAD,
            _ => *run.words.last().ok_or("no command")?,
        };
        let mut words = vec!["check"];
        words.extend(path.iter().flat_map(|path| ["--library-path", path]));
        words.push(target);
        let mut command = Command::new(tool);
        command
            .args(&words)
            .current_dir(&folder.path)
            .env_clear()
            .env("LC_ALL", "C");
        let outcome = execute(&mut command)?;
        // How many bytes compilers make of a program is theirs.
        let findings = outcome
            .stdout
            .rsplit_once("\n\n")
            .map_or(&*outcome.stdout, |(findings, _)| findings);
        let text = format!(
            "$ lode-tool {}\n{findings}\n{}{}\n",
            words.join(" "),
            outcome.stderr,
            ending(&outcome.ending)
        );
        let text = self.without_accidents(&text, folder);
        let (severity, status) = match case.asked {
            Asked::Later => ("warning", 1),
            _ => ("error", 3),
        };
        let named = format!("{severity}[{claimed}]: ");
        match text.contains(&named) && outcome.ending == Ending::Status(status) {
            true => Ok(Some(text)),
            false => Err(format!("{claimed} was to be named:\n{text}")),
        }
    }

    /// Tries the other ways to the same text.
    fn others(&self, also: Also, transcript: &str, folder: &Folder) -> Result<(), String> {
        if also == Also::Nothing {
            return Ok(());
        }
        let (_, expected) = transcript.split_once('\n').ok_or("no transcript")?;
        let found = match also {
            Also::Library => self.in_its_way("./program", &[], &[("LD_LIBRARY_PATH", ".")], folder)?,
            _ => self.in_its_way("./program", &[], &[], folder)?,
        };
        let refused_by_the_kernel = also == Also::Program && found.starts_with("execve: ");
        if found != expected && !refused_by_the_kernel {
            return Err(format!("started by the kernel:\n{found}--- as a command:\n{expected}"));
        }
        if also == Also::Program {
            return Ok(());
        }
        let first = expected.lines().next().unwrap_or_default();
        let (_, line) = first
            .split_once("error while loading shared libraries: ")
            .ok_or(expected)?;
        let opener = self.folder.path().join("opener");
        if !opener.exists() {
            folder.compile("opener", OPENER, &[]);
            fs::rename(folder.path.join("opener"), &opener).map_err(|error| error.to_string())?;
        }
        let found = self.in_its_way("../opener", &[BAD], &[("LD_LIBRARY_PATH", ".")], folder)?;
        // `dlerror` has one line only: where a file was linked wrongly, the fix stands behind what is wrong.
        let fix = expected.lines().find_map(|line| line.strip_prefix("  fix: "));
        let with_fix = fix.map(|fix| format!("{line}; {fix}\n[exit 0]\n"));
        let expected = format!("{line}\n[exit 0]\n");
        if found != expected && with_fix != Some(found.clone()) {
            return Err(format!("opened by a program:\n{found}--- expected:\n{expected}"));
        }
        Ok(())
    }

    /// What a command writes, and how it ends.
    fn in_its_way(
        &self,
        program: &str,
        words: &[&str],
        variables: &[(&str, &str)],
        folder: &Folder,
    ) -> Result<String, String> {
        let mut command = Command::new(folder.path.join(program));
        command
            .arg0("./program")
            .args(words)
            .current_dir(&folder.path)
            .env_clear()
            .env("LC_ALL", "C")
            .envs(variables.iter().copied());
        let outcome = match execute(&mut command) {
            Ok(outcome) => outcome,
            Err(why) => return Ok(format!("execve: {why}")),
        };
        let ending = ending(&outcome.ending);
        Ok(self.without_accidents(&format!("{}{}{ending}\n", outcome.stdout, outcome.stderr), folder))
    }

    /// Puts placeholders where the machine shows through: folders, the level of the CPU, where the kernel mapped something.
    fn without_accidents(&self, text: &str, folder: &Folder) -> String {
        let text = text
            .replace(&*folder.path.to_string_lossy(), "@DIR@")
            .replace(&*self.folder.path().to_string_lossy(), "@BASE@");
        // Which of these subdirectories are looked into depends on the CPU.
        let lines = text.lines().filter(|line| !line.contains("/glibc-hwcaps/"));
        lines
            .map(|line| without_kernel(&without_level(&without_addresses(line))) + "\n")
            .collect()
    }
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Status(code) => format!("[exit {code}]"),
        Ending::Signal(number) => format!("[signal {number}]"),
    }
}

/// The kernel of the machine shows through where one is too old.
fn without_kernel(line: &str) -> String {
    const BEFORE: &str = "; this is Linux ";
    match line.split_once(BEFORE) {
        Some((start, _)) => format!("{start}{BEFORE}@KERNEL@"),
        None => line.to_owned(),
    }
}

/// The code in the second line of a report.
fn code_of(transcript: &str) -> Option<&str> {
    let (_, rest) = transcript.split_once("\nlode[")?;
    rest.split_once(']').map(|(code, _)| code)
}

/// Run-time addresses differ from start to start. Those of mappings have twelve digits, whatever zeros stand before them.
fn without_addresses(line: &str) -> String {
    let mut parts = line.split("0x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        let (number, rest) = part.split_at(digits);
        let number = number.trim_start_matches('0');
        if number.len() == 12 && number.starts_with(['5', '7']) {
            text = text + "@ADDRESS@" + rest;
        } else {
            text = text + "0x" + part;
        }
    }
    text
}

fn without_level(line: &str) -> String {
    const BEFORE: &str = "this CPU has x86-64-v";
    match line.split_once(BEFORE) {
        Some((start, level)) => format!(
            "{start}{BEFORE}@LEVEL@{}",
            level.trim_start_matches(|c: char| c.is_ascii_digit())
        ),
        None => line.to_owned(),
    }
}

impl Folder {
    /// Writes a file that can be executed.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    /// Writes a file that cannot be executed.
    pub fn write_data(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        fs::set_permissions(self.path.join(name), Permissions::from_mode(0o644)).unwrap();
    }

    /// Copies the loader under test.
    pub fn copy_loader(&self, name: &str) {
        fs::copy(&self.interpreter, self.path.join(name)).unwrap();
    }

    /// Makes a folder.
    pub fn folder(&self, name: &str) {
        fs::create_dir(self.path.join(name)).unwrap();
    }

    /// Makes a named pipe.
    pub fn pipe(&self, name: &str) {
        let path = CString::new(self.path.join(name).as_os_str().as_encoded_bytes()).unwrap();
        nix::unistd::mkfifo(path.as_c_str(), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    }

    /// A program that the kernel gives to the loader under test.
    pub fn program(&self) -> Module {
        plain_program(&self.interpreter.to_string_lossy())
    }

    /// Compiles C; the loader under test is the interpreter.
    pub fn compile(&self, name: &str, source: &str, flags: &[&str]) {
        let file = self.path.join(name).with_extension("c");
        fs::write(&file, source).unwrap();
        let output = Command::new("gcc")
            .current_dir(&self.path)
            .args(["-O1", "-g0", "-w"])
            .args(flags)
            .arg(file)
            .args(["-o", name])
            .arg(format!("-Wl,--dynamic-linker={}", self.interpreter.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A program that ends with status 0.
pub fn plain_program(interpreter: &str) -> Module {
    let mut program = Module::program(interpreter);
    program.text(ENDS_WELL);
    program.data(&[0; 8]);
    program
}

/// A library in which nothing is wrong: a function, and data of 16 bytes.
pub fn plain_library(soname: &str) -> Module {
    let mut library = Module::library(soname);
    library.text(b"\xc3");
    library.data(&[0; 16]);
    library
}

/// The position of the PT_LOAD with number `wanted`: 0 holds the tables, 1 the text, 2 RELRO, 3 the data.
pub fn load(forged: &Forged, wanted: usize) -> usize {
    let mut loads = (0..forged.segment_count()).filter(|index| forged.segment(*index, SegmentField::Type) == LOAD);
    loads.nth(wanted).unwrap()
}

/// A bad library that a good program needs. `plan` adds to the library what it is to have, `spoil` breaks its file.
pub fn library(name: &'static str, code: &'static str, plan: fn(&mut Module), spoil: fn(&mut Forged)) -> Case {
    let case = case(name, code, move |folder| {
        let mut library = plain_library(BAD);
        plan(&mut library);
        let mut forged = library.forge();
        spoil(&mut forged);
        folder.write(BAD, &forged.bytes);
        needs_bad(folder)
    });
    let also = Also::Library;
    Case { also, ..case }
}

/// Writes the good program that needs the bad library; says how to start it.
pub fn needs_bad(folder: &Folder) -> Run {
    folder.write("program", &folder.program().needed(BAD).forge().bytes);
    Run::new(&["ld-lode", "--library-path", ".", "./program"])
}

/// Writes a bad program.
fn forge_program(folder: &Folder, plan: fn(&mut Module), spoil: fn(&mut Forged)) {
    let mut program = folder.program();
    plan(&mut program);
    let mut forged = program.forge();
    spoil(&mut forged);
    folder.write("program", &forged.bytes);
}

impl Case {
    /// With another question for `lode-tool check`.
    pub fn asked(self, asked: Asked) -> Case {
        Case { asked, ..self }
    }
}

/// As [`library`], in one file: a bad program that lode itself maps.
pub fn command(name: &'static str, code: &'static str, plan: fn(&mut Module), spoil: fn(&mut Forged)) -> Case {
    let case = case(name, code, move |folder| {
        forge_program(folder, plan, spoil);
        Run::new(&["ld-lode", "./program"])
    });
    let also = Also::Program;
    Case { also, ..case }
}

/// As [`command`], but the kernel maps the program.
pub fn interpreted(name: &'static str, code: &'static str, plan: fn(&mut Module), spoil: fn(&mut Forged)) -> Case {
    case(name, code, move |folder| {
        forge_program(folder, plan, spoil);
        Run::new(&["./program"])
    })
}

/// Any other case.
pub fn case(name: &'static str, code: &'static str, stage: impl Fn(&Folder) -> Run + Send + 'static) -> Case {
    Case {
        name,
        code: Some(code),
        is_report: true,
        needs: &[],
        missing: None,
        also: Also::Nothing,
        asked: Asked::Program,
        stage: Box::new(stage),
    }
}

/// A case whose text is lines without a code.
pub fn line(name: &'static str, code: Option<&'static str>, stage: impl Fn(&Folder) -> Run + Send + 'static) -> Case {
    Case {
        code,
        is_report: false,
        ..case(name, "", stage)
    }
}

/// Nothing is added, or nothing is broken.
pub fn nothing<T>(_: &mut T) {}
