//! One finding: what is wrong in which file, why that is known, and what can be done.

use std::fmt::{self, Display};

use lode::error::Code;
use serde::Serialize;

use crate::elf::Binary;
use crate::rehearsal::Refusal;

/// The program's interpreter does not exist. The kernel says so with ENOENT and no name; lode never sees such a start, so the code is
/// lode-tool's own, as those from 801 on are.
pub const NO_INTERPRETER: Code = Code(120);
/// The file needs a newer glibc than is allowed.
pub const NEWER_THAN_ALLOWED: Code = Code(801);
/// The file asks for an executable stack.
pub const EXECUTABLE_STACK: Code = Code(802);
/// A search path leads to no directory of the tree.
pub const PATH_OUTSIDE: Code = Code(803);
/// Relocations that `--emit-relocs` kept disagree with the bytes.
pub const KEPT_RELOCATIONS: Code = Code(804);
/// The file relocates itself (elfhack, relrhack).
pub const SELF_RELOCATING: Code = Code(805);
/// Some of the file cannot be read.
pub const DAMAGE: Code = Code(806);
/// A library that no program of the tree brings along lacks something.
pub const LONELY_LIBRARY: Code = Code(807);
/// A warning of the loader.
pub const LOADER_WARNING: Code = Code(808);
/// The file was not looked at, because of its size or of what its tables claim.
pub const BEYOND: Code = Code(809);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It starts, but is worth a look
    Warning,
    /// It would not start
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `E0201`, …: the page of the book about it
    pub code: String,
    /// How bad it is
    pub severity: Severity,
    /// The file that it is about
    pub file: String,
    /// What is wrong, in one line
    pub line: String,
    /// Why
    pub cause: Option<String>,
    /// How that is known, and what else there is
    pub evidence: Vec<String>,
    /// What can be done
    pub fix: Vec<String>,
}

impl Finding {
    /// Something that keeps the program from starting.
    pub fn error(code: Code, file: &str, line: impl Into<String>) -> Finding {
        Finding {
            code: code.to_string(),
            severity: Severity::Error,
            file: file.to_owned(),
            line: line.into(),
            cause: None,
            evidence: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// Something that is worth a look.
    pub fn warning(code: Code, file: &str, line: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Warning,
            ..Finding::error(code, file, line)
        }
    }

    /// With the reason.
    pub fn because(mut self, cause: impl Into<String>) -> Finding {
        self.cause = Some(cause.into());
        self
    }

    /// With one more piece of evidence.
    pub fn seen(mut self, evidence: impl Into<String>) -> Finding {
        self.evidence.push(evidence.into());
        self
    }

    /// With one more way out.
    pub fn fix(mut self, fix: impl Into<String>) -> Finding {
        self.fix.push(fix.into());
        self
    }

    /// With the section of the place that the line names, if the file has section headers: the loader knows segments alone, people know sections.
    pub fn placed_in(mut self, binary: &Binary) -> Finding {
        let place = || {
            let (_, rest) = self.line.split_once(" at 0x")?;
            let digits = rest.split(|one: char| !one.is_ascii_hexdigit()).next()?;
            binary.section_at(u64::from_str_radix(digits, 16).ok()?)
        };
        if let Some(section) = place() {
            let line = format!("the place is in section {}", section.name);
            self.evidence.insert(0, line);
        }
        self
    }

    /// What lode says of a file, in lode's words.
    pub fn refused(refusal: &Refusal) -> Finding {
        let culprit = format!("{}: ", refusal.culprit);
        let line = refusal.line.strip_prefix(&culprit).unwrap_or(&refusal.line);
        let mut evidence = refusal.evidence();
        evidence.extend(refusal.asker.as_ref().map(|asker| format!("needed by {asker}")));
        // What the line says already.
        evidence.retain(|one| one != line);
        Finding {
            code: refusal.code.clone(),
            severity: Severity::Error,
            file: refusal.culprit.clone(),
            line: line.to_owned(),
            cause: None,
            evidence,
            fix: refusal.fixes(),
        }
    }
}

impl Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        writeln!(out, "{severity}[{}]: {}: {}", self.code, self.file, self.line)?;
        if let Some(cause) = &self.cause {
            writeln!(out, "  cause: {cause}")?;
        }
        for evidence in &self.evidence {
            writeln!(out, "  {evidence}")?;
        }
        for fix in &self.fix {
            writeln!(out, "  fix: {fix}")?;
        }
        Ok(())
    }
}
