//! `lode-tool why-not`: why a file is not the one that a program loads.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::why::{similar, table};
use super::{Output, Search};
use crate::closure::{Attempt, Closure, Edge, Rule, Surroundings};
use crate::elf::Binary;
use crate::report::{Answer, Verdict, give};
use crate::spelling;

/// Say why a program does not load a file: every rule that was tried, what it met, and where the file would have come
#[derive(clap::Args)]
pub struct Arguments {
    /// The file that should be loaded and is not
    path: PathBuf,
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
    let surroundings = arguments.search.surroundings()?;
    let program = arguments.search.inside(&arguments.program)?;
    let closure = Closure::survey(&program, &arguments.search.preloads(&surroundings), &surroundings)?;
    let path = arguments.search.inside(&arguments.path)?;
    give(&WhyNot::of(&closure, &path, &surroundings), arguments.output.format)
}

/// What `why-not` answers.
#[derive(Serialize)]
struct WhyNot {
    path: String,
    program: String,
    /// Whether the program loads it after all
    is_loaded: bool,
    /// The reason in one line
    reason: String,
    /// Names that the file answers to and that were asked for
    searches: Vec<Asked>,
    /// Names like its own that are asked for
    similar: Vec<String>,
    /// What can be done
    fix: Option<String>,
}

/// What the kernel answered, without the number that Rust adds.
fn words(error: &anyhow::Error) -> String {
    let text = error.root_cause().to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// One search that could have found it.
#[derive(Serialize)]
struct Asked {
    /// Who asked
    by: String,
    /// How
    means: String,
    /// For which name
    name: String,
    /// What was looked at, in order
    attempts: Vec<Attempt>,
    /// What would have been looked at next
    later: Vec<Attempt>,
    /// The rule that would have come to the file
    reached_by: Option<Rule>,
}

impl WhyNot {
    fn of(closure: &Closure, path: &std::path::Path, surroundings: &Surroundings) -> WhyNot {
        let tree = &surroundings.tree;
        let shown = spelling::of(path);
        let mut answer = WhyNot {
            path: shown.clone(),
            program: closure.objects[0].path.clone(),
            is_loaded: false,
            reason: String::new(),
            searches: Vec::new(),
            similar: Vec::new(),
            fix: None,
        };
        let real = match tree.resolve(path) {
            Ok(real) => real,
            Err(error) => {
                answer.reason = format!("it is not there: {}", words(&error));
                return answer;
            }
        };
        if let Some(object) = closure.objects.iter().find(|object| object.real == real) {
            answer.is_loaded = true;
            answer.reason = format!("the program does load it, as {} [{}]", object.path, object.rule);
            return answer;
        }
        let binary = match Binary::open(&tree.outside(&real)) {
            Ok(binary) => binary,
            Err(error) => {
                answer.reason = format!("it cannot be loaded: {:#}", error.root_cause());
                return answer;
            }
        };
        answer.judge(closure, &binary, &real, surroundings);
        answer
    }

    /// The reason, for a file that is a library.
    fn judge(&mut self, closure: &Closure, binary: &Binary, real: &std::path::Path, surroundings: &Surroundings) {
        let file = self.path.rsplit('/').next().unwrap_or_default().to_owned();
        let names = [Some(file.as_str()), binary.soname.as_deref()];
        let is_asked = |edge: &&Edge| {
            let name = edge.name.rsplit('/').next().unwrap_or(&edge.name);
            names.contains(&Some(name))
        };
        let asked: Vec<&Edge> = closure.edges.iter().filter(is_asked).collect();
        // One search is enough for each name: the others found the file that was there already.
        let searched = asked.iter().filter(|edge| !edge.attempts.is_empty());
        self.searches = searched
            .map(|edge| Asked::of(closure, edge, real, surroundings))
            .collect();
        let (ours, theirs) = (
            binary.header.machine_name(),
            closure.objects[0].binary.header.machine_name(),
        );
        if ours != theirs {
            self.reason = format!("it is for {ours}, the program for {theirs}");
            self.fix = Some(format!("use a build for {theirs}"));
            return;
        }
        let Some(edge) = asked.first() else {
            self.reason = match &binary.soname {
                Some(soname) if *soname != file => format!("nothing asks for {file}, nor for its soname {soname}"),
                _ => format!("nothing asks for {file}"),
            };
            self.similar = similar(closure, &file);
            self.fix = Some(format!(
                "link the program with it, or load it by LD_PRELOAD={}",
                self.path
            ));
            return;
        };
        let taken = edge.target.map(|target| &closure.objects[target]);
        let reached = self.searches.iter().find_map(|search| search.reached_by.clone());
        self.reason = match (taken, &reached) {
            (Some(taken), Some(rule)) => format!(
                "{} [{}] comes before it; it would be reached by {rule}",
                taken.path, taken.rule
            ),
            (Some(taken), None) => format!(
                "{} [{}] is taken, and no list leads to this file",
                taken.path, taken.rule
            ),
            (None, Some(rule)) => format!("the search reaches it by {rule}, but ends before"),
            (None, None) => format!("no list leads to it, and {} is found nowhere", edge.name),
        };
        if reached.is_none() && edge.name != file {
            self.reason = format!(
                "{}; its file name is {file}, and {} is asked for",
                self.reason, edge.name
            );
        }
        let folder = self.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let asker = closure.objects[edge.asker].file_name();
        self.fix = Some(match taken.map(|taken| &taken.rule) {
            Some(Rule::Rpath(of)) => format!(
                "RPATH comes before LD_LIBRARY_PATH: take the directory out of the RPATH of {of}, or set LD_PRELOAD={}",
                self.path
            ),
            Some(Rule::LibraryPath) => format!("put {folder} to the front of LD_LIBRARY_PATH"),
            _ => format!("set LD_LIBRARY_PATH={folder}, or put the directory into the RUNPATH of {asker}"),
        });
    }
}

impl Asked {
    fn of(closure: &Closure, edge: &Edge, real: &std::path::Path, surroundings: &Surroundings) -> Asked {
        let is_it = |attempt: &&Attempt| {
            let path = surroundings.tree.resolve(&spelling::path(&attempt.path));
            path.is_ok_and(|path| path == real)
        };
        let mut all = edge.attempts.iter().chain(&edge.later);
        let reached = all.find(is_it);
        Asked {
            by: closure.objects[edge.asker].path.clone(),
            means: edge.means.to_string(),
            name: edge.name.clone(),
            attempts: edge.attempts.clone(),
            // What is behind the file, and what is not there, says nothing more.
            later: edge
                .later
                .iter()
                .filter(|attempt| attempt.refused.is_none() || is_it(attempt))
                .cloned()
                .collect(),
            reached_by: reached.map(|attempt| attempt.rule.clone()),
        }
    }
}

impl Display for WhyNot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}: {}", self.path, self.reason)?;
        for search in &self.searches {
            writeln!(
                out,
                "{} needs {} ({}); looked at:",
                search.by, search.name, search.means
            )?;
            table(out, &search.attempts, "taken")?;
            if !search.later.is_empty() {
                writeln!(out, "not looked at any more:")?;
                table(out, &search.later, "is there")?;
            }
        }
        if !self.similar.is_empty() {
            writeln!(out, "  needed are: {}", self.similar.join(", "))?;
        }
        match &self.fix {
            Some(fix) => writeln!(out, "  fix: {fix}"),
            None => Ok(()),
        }
    }
}

impl Answer for WhyNot {
    const COMMAND: &'static str = "why-not";

    fn verdict(&self) -> Verdict {
        if self.is_loaded {
            Verdict::Clean
        } else {
            Verdict::Findings
        }
    }
}
