//! `lode-tool strict`: what is unusual in a file though it loads. For people who write linkers, or wonder about one.

pub mod codes;
mod relocations;
mod segments;
mod symbols;
mod tags;
mod versions;

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::Output;
use crate::closure::{Surroundings, cpu_level};
use crate::elf::{Binary, EM_X86_64};
use crate::rehearsal::{self, Refusal};
use crate::report::{Answer, Verdict, give};
use crate::tree::Tree;
pub use codes::{Code, TABLE};

/// Show everything in a file that is unusual though it loads, and what lode refuses
///
/// Each finding has a code (W0341). The status is 1 if there is any, 3 if lode refuses the file.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    #[arg(required_unless_present = "list")]
    file: Option<PathBuf>,
    /// Pass over a finding; may be given again
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// List the codes and what they mean
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// The file cannot be read or is no ELF file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(file) = arguments.file.as_ref().filter(|_| !arguments.list) {
        let binary = Binary::open(file)?;
        let refusal = match binary.header.machine {
            EM_X86_64 => refusal(file)?,
            _ => None,
        };
        let mut findings = Findings::of(&binary).0;
        findings.retain(|finding| !arguments.allow.iter().any(|code| code == finding.code));
        let strict = Strict { refusal, findings };
        return give(&strict, arguments.output.format);
    }
    let codes = TABLE.iter().map(|(_, code, text)| Meaning { code, text }).collect();
    give(&Meanings { codes }, arguments.output.format)
}

/// What lode says when it maps the file.
///
/// # Errors
/// The path cannot be completed.
pub fn refusal(file: &Path) -> Result<Option<Refusal>> {
    let surroundings = Surroundings {
        tree: Tree::open(Path::new("/"))?,
        library_path: None,
        cpu_level: cpu_level(),
        bind_now: false,
        start: None,
    };
    Ok(rehearsal::examine(&std::path::absolute(file)?, &surroundings))
}

/// Something unusual.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `W0101`, …
    pub code: &'static str,
    /// What the code means
    pub text: &'static str,
    /// Where, or what, in the first case
    pub first: String,
    /// How many cases there are
    pub count: u64,
}

/// What was found so far: one finding a code.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// All that is unusual in a file.
    pub fn of(binary: &Binary) -> Findings {
        let mut findings = Findings::default();
        segments::look(binary, &mut findings);
        tags::look(binary, &mut findings);
        symbols::look(binary, &mut findings);
        relocations::look(binary, &mut findings);
        versions::look(binary, &mut findings);
        findings.0.sort_by_key(|finding| finding.code);
        findings
    }

    /// Adds a case.
    pub fn add(&mut self, code: Code, detail: impl Display) {
        let (name, text) = code.text();
        match self.0.iter_mut().find(|finding| finding.code == name) {
            Some(finding) => finding.count += 1,
            None => self.0.push(Finding {
                code: name,
                text,
                first: detail.to_string(),
                count: 1,
            }),
        }
    }

    /// Adds a case if it is one.
    pub fn add_if(&mut self, is_case: bool, code: Code, detail: impl Display) {
        if is_case {
            self.add(code, detail);
        }
    }
}

#[derive(Serialize)]
struct Strict {
    /// What lode says when it maps the file
    refusal: Option<Refusal>,
    findings: Vec<Finding>,
}

impl Display for Strict {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if let Some(refusal) = &self.refusal {
            writeln!(out, "{} refused: {}", refusal.code, refusal.line)?;
        }
        for finding in &self.findings {
            write!(out, "{} {}", finding.code, finding.text)?;
            match (finding.first.as_str(), finding.count) {
                ("", 1) => writeln!(out)?,
                (first, 1) => writeln!(out, ": {first}")?,
                (first, count) => writeln!(out, ": {count} times, first {first}")?,
            }
        }
        match self.findings.len() {
            0 if self.refusal.is_none() => writeln!(out, "nothing unusual"),
            0 => Ok(()),
            1 => writeln!(out, "1 finding"),
            count => writeln!(out, "{count} findings"),
        }
    }
}

impl Answer for Strict {
    const COMMAND: &'static str = "strict";

    fn verdict(&self) -> Verdict {
        match (&self.refusal, self.findings.is_empty()) {
            (Some(_), _) => Verdict::WouldNotStart,
            (None, false) => Verdict::Findings,
            (None, true) => Verdict::Clean,
        }
    }
}

#[derive(Serialize)]
struct Meaning {
    code: &'static str,
    text: &'static str,
}

#[derive(Serialize)]
struct Meanings {
    codes: Vec<Meaning>,
}

impl Display for Meanings {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for meaning in &self.codes {
            writeln!(out, "{} {}", meaning.code, meaning.text)?;
        }
        Ok(())
    }
}

impl Answer for Meanings {
    const COMMAND: &'static str = "strict";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_case_is_counted_and_the_first_is_named() {
        let mut findings = Findings::default();
        findings.add(Code::Padding, "byte 9");
        findings.add(Code::Padding, "byte 10");
        let [finding] = findings.0.as_slice() else {
            panic!("{findings:?}");
        };
        assert_eq!((finding.count, finding.first.as_str()), (2, "byte 9"));
    }
}
