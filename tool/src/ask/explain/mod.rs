//! `lode-tool explain`: runs a program under ld-lode and tells its start, from the loader's event stream, the process's maps, and the files.
//!
//! | part | what it is for |
//! |---|---|
//! | `stream` | the loader's lines as events |
//! | `watch` | the process: started, stopped, looked at |
//! | `start` | events and files put together |
//! | `tables`, `names` | what stands in a file: relocations, hash table, names of addresses |
//! | `narrate`, `word`, `blame` | the text; one relocation; who died |
//! | `trace`, `page` | the same for trace viewers, and as a page |

mod blame;
mod names;
mod narrate;
mod page;
mod start;
mod stream;
mod tables;
mod trace;
mod watch;
mod word;

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::Output;
use crate::elf::recognise;
use crate::report::{Answer, Format, Unwritten, Verdict, give};
use crate::spelling;
use blame::Blame;
use start::{Files, Start};
use stream::{Reader, Record};
use watch::{Ending, Mapping, Process, Seen, Stop, Wish, watch};
use word::{Which, Word};

/// Run a program under ld-lode and tell how it starts: what is mapped, found, bound, relocated, called, in which order and why
///
/// The text goes to standard output, and what the program prints to standard error. With --out, --trace or --format json the program keeps its
/// standard output unless the answer is written there.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program and its arguments
    #[arg(
        required_unless_present = "events",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
    /// Stop before each stage, and go on when Enter is pressed
    #[arg(long)]
    step: bool,
    /// Show one relocation: bytes before, formula, bytes after. N counts as `readelf -r` lists them, from 0; FILE is a library's name
    #[arg(long, value_name = "[FILE:]N")]
    reloc: Vec<Which>,
    /// End the process before the program is entered; resolvers and constructors have run
    #[arg(long)]
    no_run: bool,
    /// Write a page with maps, tables and times to FILE; it needs no network
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the times to FILE for a trace viewer (Chrome's trace event format)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Tell a start that was written to FILE by `LODE_OPTIONS=events=FILE`; nothing runs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["step", "reloc", "no_run", "command"])]
    events: Option<PathBuf>,
    /// The loader [default: ld-lode-x86_64.so.1 beside lode-tool]
    #[arg(long, value_name = "FILE")]
    loader: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// What was seen.
#[derive(Serialize)]
struct Explained {
    /// The loader
    loader: PathBuf,
    /// The program and its arguments
    command: Vec<String>,
    /// How the process ended
    ending: Option<Ending>,
    /// Who died
    blame: Option<Blame>,
    /// What was running when the stream ended though the process went on; nothing is known of what came after
    cut: Option<String>,
    /// The words that were asked for
    words: Vec<Word>,
    /// The mappings when the program was about to be entered
    maps: Vec<Mapping>,
    /// The start
    start: Start,
    /// What the look-ups cost
    lookups: start::Lookups,
    /// Every event
    events: Vec<Record>,
}

impl Answer for Explained {
    const COMMAND: &'static str = "explain";

    fn verdict(&self) -> Verdict {
        match (&self.start.entered, self.ending) {
            (Some(_), Some(Ending::Signal(_))) => Verdict::Findings,
            (Some(_), _) => Verdict::Clean,
            (None, _) if self.cut.is_some() => Verdict::Findings,
            (None, _) => Verdict::WouldNotStart,
        }
    }
}

impl std::fmt::Display for Explained {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(blame) = &self.blame {
            writeln!(out, "\nfatal[{}]: {}", blame.code, blame.line)?;
            for fact in &blame.facts {
                writeln!(out, "  {fact}")?;
            }
            return Ok(());
        }
        if let (Some(cut), Some(ending)) = (&self.cut, self.ending) {
            writeln!(
                out,
                "\nThe loader's event stream ended in {cut}, and the process went on: that code closed the stream, or started another program (execve). \
                 What came after is not known. The process {}.",
                blame::ending(ending)
            )?;
            return Ok(());
        }
        match (&self.start.entered, self.ending) {
            (Some(_), Some(ending)) => writeln!(out, "\nThe program {}.", blame::ending(ending)),
            (None, Some(ending)) => {
                let last = self
                    .start
                    .stages
                    .last()
                    .map_or("its first words", |stage| stage.name.as_str());
                writeln!(
                    out,
                    "\nThe program did not start: the loader {} after the stage `{last}`.",
                    blame::ending(ending)
                )?;
                for (text, code) in &self.start.failures {
                    writeln!(out, "  {code}: {text}")?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Runs, watches and tells.
///
/// # Errors
/// The loader or the program cannot be started, a file cannot be written, or there is no such relocation.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let loader = loader(arguments.loader.as_deref())?;
    let mut files = Files::default();
    let explained = match &arguments.events {
        Some(path) => read(path, loader, &mut files, arguments)?,
        None => watched(loader, &mut files, arguments)?,
    };
    if let Some(path) = &arguments.trace {
        let text = serde_json::to_string(&trace::trace(&explained.start)).context("the trace has no JSON form")?;
        write(path, &text)?;
    }
    if let Some(path) = &arguments.out {
        write(path, &page::page(&explained)?)?;
    }
    if arguments.tells() || arguments.output.format == Format::Json || explained.blame.is_some() {
        give(&explained, arguments.output.format)?;
    }
    Ok(ExitCode::from(match explained.ending {
        // As a shell says of a program that a signal ended.
        Some(Ending::Interrupted(signal)) => 128u8.saturating_add(u8::try_from(signal).unwrap_or_default()),
        _ => explained.verdict().status(),
    }))
}

impl Arguments {
    /// Whether the text is wanted.
    fn tells(&self) -> bool {
        self.output.format == Format::Text && self.out.is_none() && self.trace.is_none()
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

fn loader(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => {
            let own = std::env::current_exe().context("cannot find out where lode-tool is")?;
            own.with_file_name("ld-lode-x86_64.so.1")
        }
    };
    path.canonicalize().with_context(|| path.display().to_string())
}

/// Bytes of an event stream that are read: a start writes some hundred kilobytes.
const MOST: u64 = 256 << 20;

/// A start that was written down.
fn read(path: &Path, loader: PathBuf, files: &mut Files, arguments: &Arguments) -> Result<Explained> {
    let name = || path.display().to_string();
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(name)?;
    file.take(MOST).read_to_end(&mut bytes).with_context(name)?;
    let mut reader = Reader::default();
    let text = String::from_utf8_lossy(&bytes);
    let records: Vec<Record> = text.lines().filter_map(|line| reader.line(line)).collect();
    if records.is_empty() {
        bail!("{}: not an event stream: {}", name(), recognise::bytes(&bytes));
    }
    let start = Start::of(&records, &loader, files);
    if arguments.tells() {
        for number in 0..=7 {
            say(&chapter(number, &start, &[]))?;
        }
    }
    Ok(Explained {
        loader,
        command: arguments.command.iter().map(|word| spelling::word(word)).collect(),
        ending: None,
        blame: None,
        cut: None,
        words: Vec::new(),
        maps: Vec::new(),
        lookups: start.lookups(),
        start,
        events: records,
    })
}

/// A start that is watched.
fn watched(loader: PathBuf, files: &mut Files, arguments: &Arguments) -> Result<Explained> {
    let command = complete(&arguments.command)?;
    let wish = Wish {
        loader: &loader,
        switches: Vec::new(),
        command: &command,
        apart: arguments.tells() || arguments.output.format == Format::Json,
    };
    let mut words = Vec::new();
    let mut maps = Vec::new();
    let mut told = 0;
    let at_stop = |stop: Stop, records: &[Record], process: &Process| -> Result<bool> {
        let number = match stop {
            Stop::Stage(number) => number,
            Stop::Jump => 7,
        };
        let is_late = number >= 6;
        if is_late {
            maps = process.maps();
        }
        if arguments.tells() || (number == 6 && !arguments.reloc.is_empty()) {
            let start = Start::of(records, &loader, files);
            let now = if number == 1 { process.maps() } else { Vec::new() };
            if arguments.tells() {
                say(&chapter(number, &start, &now))?;
            }
            // The words are final, and nothing of the program has run but resolvers.
            for which in arguments.reloc.iter().filter(|_| number == 6) {
                let word = Word::of(which, &start, process)?;
                if arguments.tells() {
                    say(&word.to_string())?;
                }
                words.push(word);
            }
        }
        told = records.len();
        if arguments.step {
            wait(number)?;
        }
        Ok(stop != Stop::Jump || !arguments.no_run)
    };
    let Seen {
        records,
        ending,
        is_cut,
    } = watch(&wish, at_stop)?;
    let start = Start::of(&records, &loader, files);
    if arguments.tells() && start.entered.is_none() && told < records.len() {
        // It died on the way to a stop: what was told of that part.
        let number = start.stages.len() as u64;
        say(&chapter(number, &start, &[]))?;
    }
    // A loader that has said what is wrong may still be there for a moment.
    let is_cut = is_cut && start.entered.is_none() && start.failures.is_empty();
    let cut = is_cut.then(|| blame::running(&start).map_or_else(|| "the loader".to_owned(), |(what, _)| what));
    Ok(Explained {
        command: command.iter().map(|word| spelling::word(word)).collect(),
        ending: Some(ending),
        blame: blame::blame(&start, ending).filter(|_| !is_cut),
        cut,
        words,
        maps,
        lookups: start.lookups(),
        start,
        events: records,
        loader,
    })
}

/// What is told when a stage is over; number 7 is the jump.
fn chapter(number: u64, start: &Start, maps: &[Mapping]) -> String {
    match number {
        0 => narrate::handed(start),
        1 => narrate::mapped(start, maps),
        2 => narrate::linked(start),
        3 => narrate::relocated(start),
        4 => narrate::awake(start),
        5 => narrate::resolved(start),
        6 => narrate::protected(start),
        _ => narrate::initialised(start),
    }
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Unwritten(error).into())
}

/// The program as a path: a name without a slash is looked for in PATH, as a shell does.
fn complete(command: &[OsString]) -> Result<Vec<OsString>> {
    let mut command = command.to_vec();
    let name = command.first_mut().context("no program given")?;
    if !name.as_bytes().contains(&b'/') {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join(&*name))
            .find(|path| path.is_file());
        let found = found.with_context(|| format!("{} is not in PATH", name.display()))?;
        *name = found.into();
    }
    Ok(command)
}

/// Waits for Enter: at the terminal if there is one, so that standard input is left to the program.
fn wait(number: u64) -> Result<()> {
    let next = match start::STAGES.get(number as usize + 1) {
        Some(next) => format!("the stage `{next}`"),
        None if number == 6 => "constructors".to_owned(),
        None => "the jump".to_owned(),
    };
    // Without it somebody who sees nothing can still press Enter.
    let _ = write!(std::io::stderr(), "— Enter goes on with {next} ");
    let mut input = match fs::File::open("/dev/tty") {
        Ok(terminal) => terminal,
        Err(_) => {
            let own = std::io::stdin().as_fd().try_clone_to_owned();
            fs::File::from(own.context("there is no terminal, and standard input is closed")?)
        }
    };
    // Byte by byte: what follows the line is the program's.
    let mut byte = [0];
    while input.read(&mut byte).context("cannot read the answer")? != 0 && byte != *b"\n" {}
    Ok(())
}
