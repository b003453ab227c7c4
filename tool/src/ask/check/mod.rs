//! `lode-tool check`: would it start? One program, or every ELF file of a tree, looked at without running anything.
//!
//! | part | what it is for |
//! |---|---|
//! | `finding` | one finding, and its code |
//! | `interpreter`, `missing`, `versions`, `symbols` | what a program can lack, and what comes near |
//! | `files`, `kept` | what is wrong with a file by itself |
//! | `folder` | all files of a tree |
//! | `started` | what an image says that it starts |
//!
//! For x86-64 the loader's own stages decide, over memory ([`rehearsal`](crate::rehearsal)). What follows from an error that was
//! reported already is left out: no symbols are looked up while files or versions are missing.

mod files;
pub mod finding;
mod folder;
mod interpreter;
mod kept;
mod missing;
mod started;
mod symbols;
pub mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::needs::Release;
use super::{Output, Search};
use crate::closure::{Closure, Flavour, Surroundings};
use crate::elf::EM_X86_64;
use crate::installation;
use crate::rehearsal::{self, Refusal, Rehearsal, Subject, Unsatisfied};
use crate::report::{Answer, Verdict, give};
use crate::spelling;
use files::Measure;
use finding::{Finding, Severity};

/// Say whether a program would start, and if not, why, and what to do
///
/// Nothing is mapped or run. Without a program, but with --root, every ELF file of that tree is checked.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    #[arg(required_unless_present = "root")]
    program: Option<PathBuf>,
    #[command(flatten)]
    search: Search,
    /// Bytes of a page of the system that it has to start on: 4096, 0x4000, 64k, …
    #[arg(long, value_name = "SIZE", default_value = "4k", value_parser = super::page_size)]
    page_size: u64,
    /// Report files that need a newer glibc than this
    #[arg(long, value_name = "VERSION")]
    max_glibc: Option<Release>,
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// There is no such tree. That a program cannot be read is a finding.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = arguments.search.surroundings()?;
    let preloads = arguments.search.preloads(&surroundings);
    let mut check = Check {
        measure: Measure {
            page_size: arguments.page_size,
        },
        max_glibc: arguments.max_glibc,
        ..Check::new(&surroundings, &preloads)
    };
    match &arguments.program {
        Some(program) => check.program(&arguments.search.inside(program)?),
        None => {
            if let Some(start) = &surroundings.start {
                started::by_image(&mut check, start);
            }
            folder::every_file(&mut check);
        }
    }
    let is_tree = surroundings.tree.root() != Path::new("/");
    check.report.root = is_tree.then(|| surroundings.tree.called().display().to_string());
    give(&check.report, arguments.output.format)
}

/// What would keep a program of a tree from starting, as text.
pub fn errors(program: &Path, surroundings: &Surroundings) -> Vec<String> {
    let mut check = Check::new(surroundings, &[]);
    check.program(program);
    let findings = check.report.findings.iter();
    let errors = findings.filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

/// What `check` answers.
#[derive(Default, Serialize)]
struct Report {
    /// The tree, if it is not the running system
    root: Option<String>,
    /// Programs that were checked
    programs: usize,
    /// Libraries that were checked and that no program of these needs
    libraries: usize,
    /// Files that were looked at
    files: usize,
    /// The bytes of these
    bytes: u64,
    /// What was found
    findings: Vec<Finding>,
}

/// A check in progress.
struct Check<'a> {
    surroundings: &'a Surroundings,
    preloads: &'a [String],
    measure: Measure,
    max_glibc: Option<Release>,
    /// Files that were looked at, by real path, and whether no loader would take them
    examined: BTreeMap<PathBuf, bool>,
    report: Report,
}

impl<'a> Check<'a> {
    /// A check of nothing yet, by the usual measure.
    fn new(surroundings: &'a Surroundings, preloads: &'a [String]) -> Check<'a> {
        Check {
            surroundings,
            preloads,
            measure: Measure { page_size: 4096 },
            max_glibc: None,
            examined: BTreeMap::new(),
            report: Report::default(),
        }
    }

    /// Adds a finding, unless another program had it.
    fn add(&mut self, finding: Finding) {
        if !self.report.findings.contains(&finding) {
            self.report.findings.push(finding);
        }
    }

    /// Checks one program, a path in the tree, or a library as if it were started.
    fn program(&mut self, path: &Path) {
        self.report.programs += 1;
        match Closure::of(path, self.preloads, self.surroundings) {
            Ok(closure) => self.closure(path, &closure),
            Err(error) => self.add(files::unreadable(path, self.surroundings, &error)),
        }
    }

    fn closure(&mut self, path: &Path, closure: &Closure) {
        let before = self.report.findings.len();
        let finding = interpreter::missing(closure, self.surroundings);
        if let Some(finding) = finding.or_else(|| files::not_executable(&closure.objects[0], self.surroundings)) {
            self.add(finding);
        }
        let rehearsal = is_lodes(closure).then(|| rehearsal::rehearse(path, self.preloads, self.surroundings));
        let mut is_damaged = false;
        for (index, object) in closure.objects.iter().enumerate() {
            // The interpreter is not loaded by a loader.
            if Some(index) != closure.interpreter || index == 0 {
                is_damaged |= self.file(&spelling::path(&object.path), &object.real, &object.binary);
            }
        }
        match rehearsal.as_ref().and_then(|rehearsal| rehearsal.refusal.as_ref()) {
            Some(refusal) if refusal.subject == Subject::Libc => self.add(Finding::refused(refusal)),
            _ => self.missing(closure),
        }
        self.libc_of_musl(closure);
        for finding in versions::missing(closure, path, self.preloads, self.surroundings) {
            self.add(finding);
        }
        let news = &self.report.findings[before..];
        let is_sound = !is_damaged && news.iter().all(|finding| finding.severity < Severity::Error);
        if is_sound && !closure.objects[0].binary.dynamic.is_empty() {
            match &rehearsal {
                Some(rehearsal) => self.rehearsed(rehearsal, closure),
                None => {
                    let missing = symbols::of_scope(closure, self.surroundings.bind_now);
                    self.unsatisfied(closure, &missing.at_start, &missing.by_call);
                }
            }
        }
        self.age(closure);
    }

    /// Checks one file by itself, once; returns whether no loader would take it.
    fn file(&mut self, path: &Path, real: &Path, binary: &crate::elf::Binary) -> bool {
        if let Some(is_damaged) = self.examined.get(real) {
            return *is_damaged;
        }
        let findings = files::examine(path, binary, self.surroundings, self.measure);
        let is_damaged = findings.iter().any(|finding| finding.severity == Severity::Error);
        self.examined.insert(real.to_owned(), is_damaged);
        self.report.files += 1;
        self.report.bytes += binary.bytes.len() as u64;
        for finding in findings {
            self.add(finding);
        }
        is_damaged
    }

    /// Libraries that are nowhere, each name once.
    fn missing(&mut self, closure: &Closure) {
        let mut names = BTreeSet::new();
        // What a damaged file asks for follows from the damage.
        let is_damaged = |check: &Check<'_>, asker: usize| {
            let real = &closure.objects[asker].real;
            check.examined.get(real).copied().unwrap_or(false)
        };
        for edge in closure
            .missing()
            .filter(|edge| edge.means != crate::closure::Means::Interpreter)
        {
            if is_damaged(self, edge.asker) {
                continue;
            }
            if names.insert(&edge.name) {
                let damaged = edge
                    .attempts
                    .last()
                    .filter(|attempt| is_damage(attempt.refused.as_deref()));
                let finding = match damaged {
                    Some(attempt) => {
                        let why = anyhow::anyhow!("{}", attempt.refused.clone().unwrap_or_default());
                        let asker = &closure.objects[edge.asker].path;
                        files::unreadable(&spelling::path(&attempt.path), self.surroundings, &why)
                            .seen(format!("needed by {asker} ({})", edge.means))
                    }
                    None => missing::library(closure, edge, self.surroundings),
                };
                self.add(finding);
            }
        }
    }

    /// musl's libc, which lode recognises by what is in it.
    fn libc_of_musl(&mut self, closure: &Closure) {
        let Some(libc) = closure.libc_of_musl().filter(|libc| rehearsal::is_lodes(&libc.binary)) else {
            return;
        };
        if let Some(refusal) = rehearsal::refuse_as_musl(&spelling::path(&libc.path), self.surroundings) {
            self.add(self::libc(&refusal, closure));
        }
    }

    /// Symbols that nothing defines: those that the start wants, and those that a call will want.
    fn unsatisfied(&mut self, closure: &Closure, at_start: &[Unsatisfied], by_call: &[Unsatisfied]) {
        let findings = symbols::unsatisfied(closure, at_start, self.surroundings).into_iter();
        for finding in findings.chain(symbols::waiting(closure, by_call, self.surroundings)) {
            self.add(finding);
        }
    }

    /// What the loader's stages say of files that are all there.
    fn rehearsed(&mut self, rehearsal: &Rehearsal, closure: &Closure) {
        for warning in &rehearsal.warnings {
            self.add(Finding::warning(
                finding::LOADER_WARNING,
                &closure.objects[0].path,
                warning.trim().trim_start_matches("warning: "),
            ));
        }
        if let Some(refusal) = &rehearsal.libc {
            self.add(libc(refusal, closure));
        }
        let at_start = match &rehearsal.refusal {
            None => &[][..],
            Some(Refusal {
                subject: Subject::Symbols(missing),
                ..
            }) => missing,
            Some(refusal) => {
                let culprit = closure.objects.iter().find(|object| object.path == refusal.culprit);
                let finding = Finding::refused(refusal);
                self.add(match culprit {
                    Some(culprit) => finding.placed_in(&culprit.binary),
                    None => finding,
                });
                &[]
            }
        };
        self.unsatisfied(closure, at_start, &rehearsal.waiting);
    }

    /// Whether the program's own files need a newer glibc than was allowed; a system's libc belongs to the system.
    fn age(&mut self, closure: &Closure) {
        let Some(most) = self.max_glibc else { return };
        let program = &closure.objects[0];
        let Some((release, reasons)) = super::needs::newest_glibc(&program.binary) else {
            return;
        };
        if release > most {
            let finding = Finding::warning(
                finding::NEWER_THAN_ALLOWED,
                &program.path,
                format!("needs glibc {release}, and {most} is allowed"),
            );
            let finding = finding
                .because("it was linked against a newer glibc")
                .seen(format!("because of {}", reasons.join(", ")));
            self.add(finding.fix(format!("build it on a system with glibc {most}")));
        }
    }
}

/// Whether the loader's own stages can say what a start would come to: musl's libc starts itself, and only in a process.
fn is_lodes(closure: &Closure) -> bool {
    let program = &closure.objects[0].binary;
    let is_for_this = program.header.machine == EM_X86_64 && program.header.bits == 64;
    is_for_this && closure.flavour == Flavour::Glibc && !program.dynamic.is_empty()
}

/// The finding about a libc that lode does not start. It keeps a program from starting whose interpreter is lode; another loader may know it.
fn libc(refusal: &Refusal, closure: &Closure) -> Finding {
    let mut finding = Finding::refused(refusal);
    let loader = closure.interpreter.map(|loader| &closure.objects[loader].binary);
    if !loader.is_some_and(|loader| installation::is_lode(&loader.bytes)) {
        finding.severity = Severity::Warning;
        finding.cause = Some("lode would refuse this libc; the loader that came with it starts it".to_owned());
    }
    finding
}

/// Whether a candidate was refused for what is in it: it ended the search.
fn is_damage(refused: Option<&str>) -> bool {
    refused.is_some_and(|why| why.contains("ELF"))
}

impl Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(out, "{finding}")?;
        }
        let errors = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
        let warnings = self.findings.len() - errors;
        let amount = format!("{}, {}", counted(self.files, "file"), size(self.bytes));
        let inside = if self.root.is_some() {
            ", nothing outside the root is needed"
        } else {
            ""
        };
        match (errors, warnings) {
            (0, 0) => writeln!(out, "ok: {amount}{inside}"),
            _ => writeln!(
                out,
                "{}, {}; {amount} looked at",
                counted(errors, "error"),
                counted(warnings, "warning")
            ),
        }
    }
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Bytes as people count them.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) % 1024) * 10 / 1024),
    }
}

impl Answer for Report {
    const COMMAND: &'static str = "check";

    fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.severity).max() {
            None => Verdict::Clean,
            Some(Severity::Warning) => Verdict::Findings,
            Some(Severity::Error) => Verdict::WouldNotStart,
        }
    }
}
