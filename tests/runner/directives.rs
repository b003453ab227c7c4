//! The first lines of a test program: what to build and what to expect.
//!
//! A directive is a line `//# KEY: VALUE` before the first line that is not a comment. A key may be repeated.
//!
//! | key | meaning | without it |
//! |---|---|---|
//! | `libc` | `bare` (no library at all), `crt` (libcrt.a), `glibc`, `musl` | `bare` |
//! | `lib` | `SOURCE -> FILE FLAGS…`: a library, linked in this order; flags may name earlier ones | none |
//! | `flags` | compiler and linker flags of the main program, such as `libb.so` | none |
//! | `flags-bfd`, `flags-lld` | flags of everything that this linker links | none |
//! | `rpath` | `no`: no `-rpath=$ORIGIN` in the program and its libraries | `yes` |
//! | `after` | `rm F`, `cp F G`, `mkdir D`, `ln TARGET NAME`, `poke F OFFSET BYTE`, `truncate F LENGTH` or `swap F HEX HEX` (bytes that occur once), when all is linked | none |
//! | `linkers` | `bfd`, `lld` | both |
//! | `bind` | `lazy`, `now` (LD_BIND_NOW=1) | both; with musl, which reads no such variable, `lazy` |
//! | `modes` | `interp` (as PT_INTERP), `command` (LOADER ./main) | both |
//! | `args`, `env` | arguments; one variable `K=V` | none |
//! | `exit`, `signal` | how it ends: a status, or the number of a signal | `exit: 0` |
//! | `stdout` | one line of standard output | empty |
//! | `stdout-file` | a file with the whole of standard output | empty |
//! | `stdout-any` | `yes`: only the agreement of both loaders counts | `no` |
//! | `stderr` | text that standard error contains, under both loaders | anything |
//! | `lode-stderr` | text that standard error contains under lode | anything |
//! | `oracle` | `no`: the system's loader is not asked | `yes` |
//! | `oracle-since` | the first release of musl whose loader can do it; older ones are not asked | all can |
//!
//! `@DIR@` in a value stands for the folder that everything is built in, which is also the working directory.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::execution::Ending;

/// A static linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linker {
    Bfd,
    Lld,
}

/// How the loader comes to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Interp,
    Command,
}

/// When function slots are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Lazy,
    Now,
}

/// What a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    Bare,
    Crt,
    Glibc,
    Musl,
}

/// Which compiler driver builds the program and its libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    C,
    Cxx,
}

/// A shared library to build.
#[derive(Debug)]
pub struct Library {
    pub source: String,
    pub file: String,
    pub flags: Vec<String>,
}

/// What happens to the files when all is linked.
#[derive(Debug)]
pub enum After {
    Remove(String),
    Copy(String, String),
    Folder(String),
    Link(String, String),
    Poke(String, usize, u8),
    Truncate(String, u64),
    Swap(String, Vec<u8>, Vec<u8>),
}

/// A test program, as its directives describe it.
#[derive(Debug)]
pub struct Behaviour {
    pub name: String,
    pub folder: PathBuf,
    pub source: PathBuf,
    pub language: Language,
    pub libc: Libc,
    pub libraries: Vec<Library>,
    pub flags: Vec<String>,
    pub flags_bfd: Vec<String>,
    pub flags_lld: Vec<String>,
    pub rpath: bool,
    pub after: Vec<After>,
    pub linkers: Vec<Linker>,
    pub bindings: Vec<Binding>,
    pub modes: Vec<Mode>,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub ending: Ending,
    /// `None` when only the agreement of both loaders counts.
    pub stdout: Option<String>,
    pub stderr: Vec<String>,
    pub lode_stderr: Vec<String>,
    pub oracle: bool,
    pub oracle_since: String,
}

impl Behaviour {
    /// Reads the directives of the `main` source in `folder`.
    ///
    /// # Errors
    /// There is no such source, or a directive that is not in the table.
    pub fn read(folder: &Path) -> Result<Behaviour, String> {
        let (source, language) = [
            ("main.c", Language::C),
            ("main.S", Language::C),
            ("main.cc", Language::Cxx),
        ]
        .into_iter()
        .map(|(name, language)| (folder.join(name), language))
        .find(|(path, _)| path.exists())
        .ok_or_else(|| format!("{} has no main.c, main.cc or main.S", folder.display()))?;
        let text = fs::read_to_string(&source).map_err(|error| format!("{}: {error}", source.display()))?;
        let mut behaviour = Behaviour {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            folder: folder.to_path_buf(),
            source,
            language,
            libc: Libc::Bare,
            libraries: Vec::new(),
            flags: Vec::new(),
            flags_bfd: Vec::new(),
            flags_lld: Vec::new(),
            rpath: true,
            after: Vec::new(),
            linkers: vec![Linker::Bfd, Linker::Lld],
            bindings: Vec::new(),
            modes: vec![Mode::Interp, Mode::Command],
            arguments: Vec::new(),
            environment: Vec::new(),
            ending: Ending::Status(0),
            stdout: Some(String::new()),
            stderr: Vec::new(),
            lode_stderr: Vec::new(),
            oracle: true,
            oracle_since: String::new(),
        };
        for line in text.lines().take_while(|line| line.starts_with("//")) {
            if let Some(directive) = line.strip_prefix("//#") {
                behaviour
                    .obey(directive.trim())
                    .map_err(|error| format!("{}: `{line}`: {error}", behaviour.source.display()))?;
            }
        }
        if behaviour.bindings.is_empty() {
            behaviour.bindings = match behaviour.libc {
                Libc::Musl => vec![Binding::Lazy],
                _ => vec![Binding::Lazy, Binding::Now],
            };
        }
        Ok(behaviour)
    }

    /// Takes one directive over into the description.
    fn obey(&mut self, directive: &str) -> Result<(), String> {
        let (key, value) = directive.split_once(':').ok_or("no colon")?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        match key {
            "libc" => {
                self.libc = choice(
                    value,
                    &[
                        ("bare", Libc::Bare),
                        ("crt", Libc::Crt),
                        ("glibc", Libc::Glibc),
                        ("musl", Libc::Musl),
                    ],
                )?;
            }
            "lib" => self.libraries.push(library(value)?),
            "flags" => self.flags.extend(words(value)),
            "flags-bfd" => self.flags_bfd.extend(words(value)),
            "flags-lld" => self.flags_lld.extend(words(value)),
            "rpath" => self.rpath = yes_or_no(value)?,
            "after" => self.after.push(after(value)?),
            "linkers" => self.linkers = choices(value, &[("bfd", Linker::Bfd), ("lld", Linker::Lld)])?,
            "bind" => self.bindings = choices(value, &[("lazy", Binding::Lazy), ("now", Binding::Now)])?,
            "modes" => self.modes = choices(value, &[("interp", Mode::Interp), ("command", Mode::Command)])?,
            "args" => self.arguments.extend(words(value)),
            "env" => {
                let (name, value) = value.split_once('=').ok_or("no equals sign")?;
                self.environment.push((name.to_owned(), value.to_owned()));
            }
            "exit" => self.ending = Ending::Status(number(value)?),
            "signal" => self.ending = Ending::Signal(number(value)?),
            "stdout" => {
                let stdout = self.stdout.get_or_insert_default();
                stdout.push_str(value);
                stdout.push('\n');
            }
            "stdout-file" => {
                let path = self.folder.join(value);
                let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                self.stdout = Some(text);
            }
            "stdout-any" => {
                if yes_or_no(value)? {
                    self.stdout = None;
                }
            }
            "stderr" => self.stderr.push(value.to_owned()),
            "lode-stderr" => self.lode_stderr.push(value.to_owned()),
            "oracle" => self.oracle = yes_or_no(value)?,
            "oracle-since" => value.clone_into(&mut self.oracle_since),
            _ => return Err("no such directive".to_owned()),
        }
        Ok(())
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}

fn choice<T: Copy>(word: &str, table: &[(&str, T)]) -> Result<T, String> {
    table
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, value)| *value)
        .ok_or_else(|| format!("`{word}` is not known here"))
}

fn choices<T: Copy>(text: &str, table: &[(&str, T)]) -> Result<Vec<T>, String> {
    words(text).map(|word| choice(&word, table)).collect()
}

fn yes_or_no(word: &str) -> Result<bool, String> {
    choice(word, &[("yes", true), ("no", false)])
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number in range"))
}

fn library(text: &str) -> Result<Library, String> {
    let (source, rest) = text.split_once(" -> ").ok_or("no arrow")?;
    let mut rest = words(rest);
    Ok(Library {
        source: source.to_owned(),
        file: rest.next().ok_or("no file after the arrow")?,
        flags: rest.collect(),
    })
}

fn after(text: &str) -> Result<After, String> {
    let words: Vec<String> = words(text).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["rm", file] => After::Remove((*file).to_owned()),
        ["cp", from, to] => After::Copy((*from).to_owned(), (*to).to_owned()),
        ["mkdir", folder] => After::Folder((*folder).to_owned()),
        ["ln", target, name] => After::Link((*target).to_owned(), (*name).to_owned()),
        ["poke", file, offset, byte] => After::Poke((*file).to_owned(), number(offset)?, number(byte)?),
        ["truncate", file, length] => After::Truncate((*file).to_owned(), number(length)?),
        ["swap", file, old, new] => After::Swap((*file).to_owned(), hex(old)?, hex(new)?),
        _ => return Err("none of rm, cp, mkdir, ln, poke, truncate, swap".to_owned()),
    })
}

/// Bytes from pairs of hexadecimal digits.
fn hex(digits: &str) -> Result<Vec<u8>, String> {
    (0..digits.len())
        .step_by(2)
        .map(|at| {
            digits
                .get(at..at + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| format!("`{digits}` is not hexadecimal"))
}

impl fmt::Display for Linker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Linker::Bfd => "bfd",
            Linker::Lld => "lld",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Mode::Interp => "interp",
            Mode::Command => "command",
        })
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Binding::Lazy => "lazy",
            Binding::Now => "now",
        })
    }
}
