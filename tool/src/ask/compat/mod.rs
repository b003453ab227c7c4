//! `lode-tool compat`: what other loaders would do with a file.

mod facts;
mod rules;

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::Output;
use crate::elf::EM_X86_64;
use crate::report::{Answer, Verdict, give};
use facts::{Facts, Stated};
use rules::RULES;

/// Show what other loaders would do with a file: load it, refuse it and in which words, or fault
///
/// Only what the file itself decides is said: whether a library is there, and has the symbols, depends on the system. The status is 1 if some
/// loader does not load the file.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    #[arg(required_unless_present = "rules")]
    file: Option<PathBuf>,
    /// Only these loaders; may be given again
    #[arg(long, value_enum, value_name = "LOADER")]
    loader: Vec<Loader>,
    /// List the rules with their sources
    #[arg(long)]
    rules: bool,
    #[command(flatten)]
    pub output: Output,
}

/// A loader, by what it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub enum Loader {
    /// glibc before 2.36, which does not know RELR
    #[serde(rename = "glibc-2.35")]
    #[value(name = "glibc-2.35")]
    GlibcBeforeRelr,
    /// glibc since 2.36, which wants RELR to be declared (the lock-out)
    #[serde(rename = "glibc-2.36")]
    #[value(name = "glibc-2.36")]
    Glibc,
    /// musl before 1.2.4, which does not know RELR
    #[serde(rename = "musl-1.2.3")]
    #[value(name = "musl-1.2.3")]
    MuslBeforeRelr,
    /// FreeBSD before 13.1, which does not know RELR
    #[serde(rename = "freebsd-13.0")]
    #[value(name = "freebsd-13.0")]
    FreeBsdBeforeRelr,
    /// Android's bionic, of a current release
    #[serde(rename = "bionic")]
    #[value(name = "bionic")]
    Bionic,
    /// lode of this build
    #[serde(rename = "lode")]
    #[value(name = "lode")]
    Lode,
}

impl Loader {
    fn title(self) -> &'static str {
        match self {
            Loader::GlibcBeforeRelr => "glibc < 2.36",
            Loader::Glibc => "glibc >= 2.36",
            Loader::MuslBeforeRelr => "musl < 1.2.4",
            Loader::FreeBsdBeforeRelr => "FreeBSD < 13.1",
            Loader::Bionic => "bionic",
            Loader::Lode => "lode",
        }
    }
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is loaded
    Load,
    /// It is refused, in words
    Refuse,
    /// The process faults, without a word
    Fault,
}

/// Answers.
///
/// # Errors
/// The file cannot be read or is no ELF file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Some(file) = arguments.file.as_ref().filter(|_| !arguments.rules) else {
        return give(&rules::listed(), arguments.output.format);
    };
    let (binary, stated) = Stated::open(file)?;
    let facts = Facts::of(&binary, stated, &file.display().to_string());
    let asked = |loader: &Loader| arguments.loader.is_empty() || arguments.loader.contains(loader);
    let loaders = Loader::value_variants().iter().copied().filter(asked);
    let mut predictions: Vec<Prediction> = Vec::new();
    for loader in loaders {
        match loader {
            Loader::Lode if binary.header.machine != EM_X86_64 => {}
            Loader::Lode => predictions.push(by_lode(file)?),
            _ => predictions.push(Prediction::of(loader, &facts)),
        }
    }
    let compat = Compat {
        file: file.display().to_string(),
        predictions,
    };
    give(&compat, arguments.output.format)
}

/// What lode says, by its own stages.
fn by_lode(file: &Path) -> Result<Prediction> {
    let refusal = super::strict::refusal(file)?;
    Ok(Prediction {
        loader: Loader::Lode,
        outcome: if refusal.is_some() {
            Outcome::Refuse
        } else {
            Outcome::Load
        },
        words: refusal.map(|refusal| refusal.line),
        reasons: Vec::new(),
    })
}

#[derive(Serialize)]
struct Compat {
    file: String,
    predictions: Vec<Prediction>,
}

/// What one loader would do.
#[derive(Debug, Serialize)]
struct Prediction {
    loader: Loader,
    outcome: Outcome,
    /// What it says, if it refuses
    words: Option<String>,
    /// Why: the rule that decides first; notes for a file that is loaded come too
    reasons: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Reason {
    outcome: Outcome,
    why: &'static str,
    detail: String,
    source: &'static str,
}

impl Prediction {
    fn of(loader: Loader, facts: &Facts) -> Prediction {
        let mut prediction = Prediction {
            loader,
            outcome: Outcome::Load,
            words: None,
            reasons: Vec::new(),
        };
        for rule in RULES.iter().filter(|rule| rule.loaders.contains(&loader)) {
            let Some(detail) = (rule.applies)(facts, loader) else {
                continue;
            };
            // Loaders check in the order of the table, and what comes first ends the start.
            if prediction.outcome == Outcome::Load && rule.outcome != Outcome::Load {
                prediction.outcome = rule.outcome;
                let words = rule.words.replace("{file}", &facts.name).replace("{}", &detail);
                prediction.words = (rule.outcome == Outcome::Refuse).then_some(words);
            }
            prediction.reasons.push(Reason {
                outcome: rule.outcome,
                why: rule.why,
                detail,
                source: rule.source,
            });
        }
        prediction
    }
}

impl Display for Compat {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.file)?;
        for prediction in &self.predictions {
            let outcome = match prediction.outcome {
                Outcome::Load => "loads",
                Outcome::Refuse => "refuses",
                Outcome::Fault => "faults",
            };
            write!(out, "{:<15} {outcome}", prediction.loader.title())?;
            match &prediction.words {
                Some(words) => writeln!(out, ": {words}")?,
                None => writeln!(out)?,
            }
            for reason in &prediction.reasons {
                match reason.detail.as_str() {
                    "" => writeln!(out, "                {}", reason.why)?,
                    detail => writeln!(out, "                {} ({detail})", reason.why)?,
                }
            }
        }
        Ok(())
    }
}

impl Answer for Compat {
    const COMMAND: &'static str = "compat";

    fn verdict(&self) -> Verdict {
        let loads = |prediction: &Prediction| prediction.outcome == Outcome::Load;
        match self.predictions.iter().all(loads) {
            true => Verdict::Clean,
            false => Verdict::Findings,
        }
    }
}
