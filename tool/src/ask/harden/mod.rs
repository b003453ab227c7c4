//! `lode-tool harden`: which of a program's memory nobody can write to, execute or unmap, file by file and mapping by mapping.

mod facts;
mod process;

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{Output, Search};
use crate::closure::Flavour;
use crate::elf::EM_X86_64;
use crate::rehearsal::{self, Refusal};
use crate::report::{Answer, Verdict, give};
use facts::Facts;
use process::Process;

/// Show how a program and its libraries are protected once they are in memory: RELRO, W^X, sealing, stack, and what compilers added
///
/// Nothing of the files is run. With --pid, what the kernel says of a running process is shown, too. The status is 1 if something could be
/// protected and is not, 3 if lode would not start the program.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program [default: that of the process]
    #[arg(required_unless_present = "pid")]
    program: Option<PathBuf>,
    /// A process to look at: its mappings as /proc/PID/smaps has them
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// There is no such program or process, or it may not be looked at.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let process = arguments.pid.map(Process::look).transpose()?;
    let objects = match (&arguments.program, arguments.pid) {
        (Some(program), _) => Start::of(program, &arguments.search)?,
        (None, Some(pid)) => {
            let link = PathBuf::from(format!("/proc/{pid}/exe"));
            let program = link.read_link().with_context(|| link.display().to_string())?;
            Start::of(&program, &arguments.search)?
        }
        (None, None) => Start::default(),
    };
    let Start { refusal, files } = objects;
    give(
        &Harden {
            refusal,
            files,
            process,
        },
        arguments.output.format,
    )
}

/// What a start brings together.
#[derive(Default)]
struct Start {
    refusal: Option<Refusal>,
    files: Vec<Facts>,
}

impl Start {
    /// The files of a start; for a program that lode starts, why it refuses it if it does.
    fn of(program: &Path, search: &Search) -> Result<Start> {
        let closure = search.closure(program)?;
        let is_ours = closure.flavour != Flavour::Musl
            && closure
                .objects
                .first()
                .is_some_and(|object| object.binary.header.machine == EM_X86_64 && object.binary.header.bits == 64);
        let refusal = match is_ours {
            true => {
                let surroundings = search.surroundings()?;
                let preloads = search.preloads(&surroundings);
                rehearsal::rehearse(&search.inside(program)?, &preloads, &surroundings).refusal
            }
            false => None,
        };
        let files = closure.objects.iter().enumerate();
        Ok(Start {
            refusal,
            files: files
                .map(|(number, object)| Facts::of(&object.path, &object.binary, number == 0))
                .collect(),
        })
    }
}

#[derive(Serialize)]
struct Harden {
    /// Why lode would not start the program
    refusal: Option<Refusal>,
    /// The program, then what it brings along
    files: Vec<Facts>,
    /// A running process
    process: Option<Process>,
}

impl Display for Harden {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if let Some(refusal) = &self.refusal {
            writeln!(out, "{} refused: {}", refusal.code, refusal.line)?;
        }
        for file in &self.files {
            file.fmt(out)?;
        }
        if let Some(process) = &self.process {
            process.fmt(out)?;
        }
        let findings = self.findings();
        match findings {
            0 => writeln!(out, "0 findings"),
            1 => writeln!(out, "1 finding"),
            _ => writeln!(out, "{findings} findings"),
        }
    }
}

impl Harden {
    fn findings(&self) -> usize {
        let of_process = self.process.as_ref().map_or(0, |process| process.findings.len());
        of_process + self.files.iter().map(|file| file.findings.len()).sum::<usize>()
    }
}

impl Answer for Harden {
    const COMMAND: &'static str = "harden";

    fn verdict(&self) -> Verdict {
        match (&self.refusal, self.findings()) {
            (Some(_), _) => Verdict::WouldNotStart,
            (None, 0) => Verdict::Clean,
            (None, _) => Verdict::Findings,
        }
    }
}
