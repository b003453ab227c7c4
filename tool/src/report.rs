//! How an answer leaves lode-tool: as text for people or as JSON for programs, and with a status.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

use crate::elf::NoElf;
use crate::spelling;

/// Version of the JSON that every command writes. It grows when a member changes its meaning or goes; new members may come without it.
pub const SCHEMA: u32 = 1;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// What an answer means for somebody who asks in a script: the status that lode-tool ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is wrong; status 0
    Clean,
    /// Something is worth a look; status 1
    Findings,
    /// The program would not start; status 3
    WouldNotStart,
}

impl Verdict {
    /// The status. 2 is what clap ends with when the command line is wrong.
    pub fn status(self) -> u8 {
        match self {
            Verdict::Clean => 0,
            Verdict::Findings => 1,
            Verdict::WouldNotStart => 3,
        }
    }
}

/// What a command found out: its `Display` is the text, its serialisation the JSON.
pub trait Answer: Serialize + Display {
    /// The command that gives it, a member of the JSON.
    const COMMAND: &'static str;

    /// What it means.
    fn verdict(&self) -> Verdict {
        Verdict::Clean
    }
}

/// The members of every JSON answer.
#[derive(Serialize)]
struct Envelope<'a, A> {
    schema: u32,
    command: &'static str,
    verdict: Verdict,
    answer: &'a A,
}

/// Writes an answer; returns the status to end with.
///
/// # Errors
/// Standard output cannot be written. That a reader goes away (`| head`) is no error.
pub fn give<A: Answer>(answer: &A, format: Format) -> Result<ExitCode> {
    let verdict = answer.verdict();
    let text = match format {
        Format::Text => answer.to_string(),
        Format::Json => {
            let envelope = Envelope {
                schema: SCHEMA,
                command: A::COMMAND,
                verdict,
                answer,
            };
            serde_json::to_string_pretty(&envelope).context("the answer has no JSON form")? + "\n"
        }
    };
    match format {
        Format::Text => say(text)?,
        Format::Json => say(spelling::readable(&text))?,
    }
    Ok(ExitCode::from(verdict.status()))
}

/// Writes to standard output. That a reader goes away (`| head`) is no error.
///
/// # Errors
/// Standard output cannot be written: [`Unwritten`].
pub fn say(text: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match out
        .write_all(&spelling::bytes(&text.to_string()))
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Unwritten(error).into()),
        _ => Ok(()),
    }
}

/// Standard output cannot be written, so that the answer is lost. That says nothing about the file.
#[derive(Debug)]
pub struct Unwritten(pub io::Error);

impl Display for Unwritten {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot write the answer: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

/// There is no such thing as was asked for; the file is there.
#[derive(Debug)]
pub struct NoSuch(pub String);

impl Display for NoSuch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for NoSuch {}

/// The members of the JSON of a question that has no answer.
#[derive(Serialize)]
struct Failure<'a> {
    schema: u32,
    command: &'a str,
    verdict: Verdict,
    answer: Option<()>,
    error: String,
}

/// Says that a question has no answer, as a rule because a file cannot be read; returns the status to end with.
pub fn fail(command: &str, error: &anyhow::Error, format: Format) -> ExitCode {
    complain(error);
    if error.is::<Unwritten>() {
        return ExitCode::FAILURE;
    }
    let verdict = match error.is::<NoSuch>() {
        true => Verdict::Findings,
        false => Verdict::WouldNotStart,
    };
    if format == Format::Json {
        let failure = Failure {
            schema: SCHEMA,
            command,
            verdict,
            answer: None,
            error: format!("{error:#}"),
        };
        let json = serde_json::to_string_pretty(&failure).unwrap_or_default();
        if let Err(error) = say(json + "\n") {
            complain(&error);
        }
    }
    ExitCode::from(verdict.status())
}

/// Writes to standard error, if that is possible.
pub fn complain(error: &anyhow::Error) {
    let code = error.downcast_ref::<NoElf>().map(|no_elf| format!("[{}]", no_elf.code));
    let _ = writeln!(io::stderr(), "lode-tool{}: {error:#}", code.unwrap_or_default());
}
