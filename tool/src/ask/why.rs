//! `lode-tool why`: who wants a library, and which rule found it, with every path that was looked at on the way.

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::{Output, Search};
use crate::closure::{Attempt, Closure, Edge, Rule, file_name};
use crate::report::{Answer, Verdict, give};
use crate::spelling;

/// Say why a program loads a library: who needs it, which rule found it, and where it was looked for
#[derive(clap::Args)]
pub struct Arguments {
    /// The library: a soname, a file name or a path
    library: OsString,
    /// The program
    program: PathBuf,
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// The program cannot be read or is no ELF file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let closure = arguments.search.closure(&arguments.program)?;
    give(
        &Why::of(&closure, &spelling::word(&arguments.library)),
        arguments.output.format,
    )
}

/// What `why` answers.
#[derive(Serialize)]
struct Why {
    library: String,
    program: String,
    /// Whether anything asks for it
    is_wanted: bool,
    /// The file that is loaded
    path: Option<String>,
    /// Which rule found it
    rule: Option<Rule>,
    /// Who asks for whom, from the program to the library
    way: Vec<Step>,
    /// Who else asks for it
    also: Vec<Asker>,
    /// What was looked at, the taken one last
    attempts: Vec<Attempt>,
    /// Names like it, when nothing asks for it
    similar: Vec<String>,
}

/// One file asks for the next.
#[derive(Serialize)]
struct Step {
    #[serde(flatten)]
    asker: Asker,
    /// The name
    name: String,
    /// What was found
    path: Option<String>,
    /// What found it
    rule: Option<Rule>,
}

/// A file, and how it asks.
#[derive(Serialize)]
struct Asker {
    file: String,
    means: String,
}

impl Asker {
    fn of(closure: &Closure, edge: &Edge) -> Asker {
        Asker {
            file: closure.objects[edge.asker].path.clone(),
            means: edge.means.to_string(),
        }
    }
}

impl Step {
    fn of(closure: &Closure, edge: &Edge) -> Step {
        let object = edge.target.map(|target| &closure.objects[target]);
        Step {
            asker: Asker::of(closure, edge),
            name: edge.name.clone(),
            path: object.map(|object| object.path.clone()),
            rule: object.map(|object| object.rule.clone()),
        }
    }
}

impl Why {
    fn of(closure: &Closure, library: &str) -> Why {
        let target = closure.by_name(library).filter(|target| *target != 0);
        let is_asked = |edge: &&Edge| match target {
            Some(target) => edge.target == Some(target),
            None => edge.target.is_none() && file_name(&edge.name) == file_name(library),
        };
        let asking: Vec<&Edge> = closure.edges.iter().filter(is_asked).collect();
        let mut way = Vec::new();
        if let Some(edge) = asking.first() {
            let objects = closure.way_to(edge.asker);
            for pair in objects.windows(2) {
                let between = closure
                    .edges
                    .iter()
                    .find(|edge| edge.asker == pair[0] && edge.target == Some(pair[1]));
                way.extend(between.map(|edge| Step::of(closure, edge)));
            }
            way.push(Step::of(closure, edge));
        }
        let object = target.map(|target| &closure.objects[target]);
        Why {
            library: library.to_owned(),
            program: closure.objects[0].path.clone(),
            is_wanted: !asking.is_empty(),
            path: object.map(|object| object.path.clone()),
            rule: object.map(|object| object.rule.clone()),
            also: asking.iter().skip(1).map(|edge| Asker::of(closure, edge)).collect(),
            attempts: asking
                .iter()
                .find(|edge| !edge.attempts.is_empty())
                .map(|edge| edge.attempts.clone())
                .unwrap_or_default(),
            similar: if asking.is_empty() {
                similar(closure, library)
            } else {
                Vec::new()
            },
            way,
        }
    }
}

/// Names that are asked for and begin as `library` does.
pub fn similar(closure: &Closure, library: &str) -> Vec<String> {
    let file = library.rsplit('/').next().unwrap_or(library);
    let stem = file.split(['.', '-']).next().unwrap_or(file);
    let mut names: Vec<String> = closure
        .edges
        .iter()
        .map(|edge| edge.name.clone())
        .filter(|name| !stem.is_empty() && name.rsplit('/').next().is_some_and(|name| name.starts_with(stem)))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A table of paths: the rule, the path, what came of it.
pub fn table(out: &mut fmt::Formatter<'_>, attempts: &[Attempt], taken: &str) -> fmt::Result {
    let rules: Vec<String> = attempts.iter().map(|attempt| attempt.rule.to_string()).collect();
    let rule_width = rules.iter().map(|rule| rule.chars().count()).max().unwrap_or(0);
    let path_width = attempts
        .iter()
        .map(|attempt| attempt.path.chars().count())
        .max()
        .unwrap_or(0);
    for (attempt, rule) in attempts.iter().zip(&rules) {
        let result = attempt.refused.as_deref().unwrap_or(taken);
        writeln!(out, "  {rule:rule_width$}  {:path_width$}  {result}", attempt.path)?;
    }
    Ok(())
}

impl Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Why { library, program, .. } = self;
        match (&self.path, &self.rule, self.is_wanted) {
            (_, _, false) => {
                writeln!(out, "{library}: nothing that {program} brings along needs it")?;
                if !self.similar.is_empty() {
                    writeln!(out, "  needed are: {}", self.similar.join(", "))?;
                }
            }
            (Some(path), Some(rule), _) => writeln!(out, "{library} is {path} [{rule}]")?,
            _ => writeln!(out, "{library} not found")?,
        }
        for step in &self.way {
            let found = match (&step.path, &step.rule) {
                (Some(path), Some(rule)) => format!("{path} [{rule}]"),
                _ => "not found".to_owned(),
            };
            writeln!(
                out,
                "  {} needs {} ({}): {found}",
                step.asker.file, step.name, step.asker.means
            )?;
        }
        for also in &self.also {
            writeln!(out, "  {} needs it too ({})", also.file, also.means)?;
        }
        if !self.attempts.is_empty() {
            writeln!(out, "looked at:")?;
        }
        table(out, &self.attempts, "taken")
    }
}

impl Answer for Why {
    const COMMAND: &'static str = "why";

    fn verdict(&self) -> Verdict {
        match (self.is_wanted, &self.path) {
            (false, _) => Verdict::Findings,
            (true, Some(_)) => Verdict::Clean,
            (true, None) => Verdict::WouldNotStart,
        }
    }
}
