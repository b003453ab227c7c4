//! `lode-tool bindings`: which definition each reference gets, and which definitions of the same name are left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::{Output, Search};
use crate::closure::{Closure, Flavour};
use crate::elf::EM_X86_64;
use crate::lookup::Scope;
use crate::rehearsal::{self, Refusal, Unsatisfied};
use crate::report::{Answer, Verdict, give};

/// Say which definition each reference of a program and its libraries gets, and which others are shadowed by it
///
/// Without a symbol, only names that more than one file defines are shown. For x86-64 and glibc the bindings are those of the loader's
/// own stages; otherwise they follow from the files' symbol tables.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program
    program: PathBuf,
    /// A symbol
    symbol: Option<String>,
    /// Show every binding
    #[arg(long, conflicts_with = "symbol")]
    all: bool,
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
    let header = &closure.objects[0].binary.header;
    let is_lodes = header.machine == EM_X86_64 && header.bits == 64 && closure.flavour == Flavour::Glibc;
    let mut answer = Bindings {
        program: closure.objects[0].path.clone(),
        by_rehearsal: is_lodes,
        refusal: None,
        waiting: Vec::new(),
        asked: arguments.symbol.clone(),
        symbols: Vec::new(),
    };
    let scope = Scope::of(&closure);
    let made = if is_lodes {
        let program = arguments.search.inside(&arguments.program)?;
        let surroundings = arguments.search.surroundings()?;
        let rehearsal = rehearsal::rehearse(&program, &arguments.search.preloads(&surroundings), &surroundings);
        answer.refusal = rehearsal.refusal;
        answer.waiting = rehearsal.waiting;
        let bound = rehearsal.bindings.into_iter();
        bound
            .map(|bound| Made {
                symbol: bound.symbol,
                version: bound.version,
                from: bound.from,
                to: bound.to,
            })
            .collect()
    } else {
        by_tables(&closure, &scope)
    };
    answer.symbols = collected(&closure, &scope, made);
    answer.symbols.retain(|symbol| match &arguments.symbol {
        Some(wanted) => symbol.symbol == *wanted,
        None => arguments.all || !symbol.shadowed.is_empty(),
    });
    give(&answer, arguments.output.format)
}

/// One reference and its definition.
struct Made {
    symbol: String,
    version: Option<String>,
    from: String,
    to: String,
}

/// The bindings as the symbol tables make them.
fn by_tables(closure: &Closure, scope: &Scope<'_>) -> Vec<Made> {
    let mut made = Vec::new();
    for (index, object) in closure.objects.iter().enumerate() {
        if Some(index) == closure.interpreter {
            continue;
        }
        for symbol in object.binary.symbols.iter().filter(|symbol| symbol.is_wanted()) {
            if let Some((target, _)) = scope.fitting(symbol).first() {
                made.push(Made {
                    symbol: symbol.name.clone(),
                    version: symbol.version.clone(),
                    from: object.path.clone(),
                    to: closure.objects[*target].path.clone(),
                });
            }
        }
    }
    made
}

/// What `bindings` answers.
#[derive(Serialize)]
struct Bindings {
    program: String,
    /// Whether the loader's own stages made the bindings
    by_rehearsal: bool,
    /// Why the start fails; the bindings are those made before that
    refusal: Option<Refusal>,
    /// Calls of functions that nothing defines: each fails when it is made
    waiting: Vec<Unsatisfied>,
    /// The symbol that was asked for
    asked: Option<String>,
    symbols: Vec<Contest>,
}

/// A name, in one version, and the file that wins it.
#[derive(Serialize)]
struct Contest {
    symbol: String,
    version: Option<String>,
    /// The file whose definition is taken
    winner: String,
    /// The file that the winner has copied it from (COPY relocation), if it has
    copied_from: Option<String>,
    /// The files that use it
    users: Vec<String>,
    /// Files further down the scope whose definition is never seen by these
    shadowed: Vec<Loser>,
}

/// A definition that is not taken.
#[derive(Serialize)]
struct Loser {
    file: String,
    /// Its name with its version, as nm(1) writes it
    name: String,
}

/// Puts the bindings of one definition together.
fn collected(closure: &Closure, scope: &Scope<'_>, made: Vec<Made>) -> Vec<Contest> {
    let mut users: BTreeMap<(String, Option<String>, String), BTreeSet<String>> = BTreeMap::new();
    let mut copies: BTreeMap<(String, String), String> = BTreeMap::new();
    for one in made {
        // A program that defines a name and refers to another's definition of it wants the bytes: a COPY relocation.
        let is_programs = one.from == closure.objects[0].path;
        if is_programs && one.from != one.to && defines(closure, scope, &one.symbol, &one.from) {
            users
                .entry((one.symbol.clone(), one.version, one.from.clone()))
                .or_default();
            copies.insert((one.symbol, one.from), one.to);
        } else {
            users
                .entry((one.symbol, one.version, one.to))
                .or_default()
                .insert(one.from);
        }
    }
    let contest = |((symbol, version, winner), users): ((String, Option<String>, String), BTreeSet<String>)| {
        let copied_from = copies.get(&(symbol.clone(), winner.clone())).cloned();
        let mut seen = BTreeSet::from([&winner]);
        seen.extend(&copied_from);
        let mut shadowed = Vec::new();
        for (object, one) in scope.all(&symbol) {
            let file = &closure.objects[*object].path;
            let is_same = one.version == version || one.version.is_none() || version.is_none();
            if is_same && seen.insert(file) {
                shadowed.push(Loser {
                    file: file.clone(),
                    name: one.full_name(),
                });
            }
        }
        Contest {
            symbol,
            version,
            winner,
            copied_from,
            users: users.into_iter().collect(),
            shadowed,
        }
    };
    users.into_iter().map(contest).collect()
}

/// Whether a file of the scope defines a name.
fn defines(closure: &Closure, scope: &Scope<'_>, name: &str, file: &str) -> bool {
    scope
        .all(name)
        .iter()
        .any(|(object, _)| closure.objects[*object].path == file)
}

impl Display for Bindings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.symbols {
            let version = one
                .version
                .as_ref()
                .map(|version| format!("@{version}"))
                .unwrap_or_default();
            writeln!(out, "{}{version} is {}'s", one.symbol, one.winner)?;
            if let Some(source) = &one.copied_from {
                writeln!(out, "  copied from {source}")?;
            }
            for user in &one.users {
                writeln!(out, "  used by {user}")?;
            }
            for loser in &one.shadowed {
                writeln!(out, "  shadows {} of {}", loser.name, loser.file)?;
            }
        }
        match (&self.asked, self.symbols.is_empty()) {
            (Some(symbol), true) => writeln!(out, "{symbol}: nothing that {} brings along refers to it", self.program)?,
            (None, true) if self.refusal.is_none() => {
                writeln!(out, "no name has more than one definition (--all shows every binding)")?
            }
            _ => {}
        }
        for one in &self.waiting {
            let version = one.version.iter().map(|version| format!("@{version}"));
            let name = std::iter::once(one.symbol.clone()).chain(version).collect::<String>();
            writeln!(out, "{name} of {} is defined nowhere: the first call fails", one.file)?;
        }
        match &self.refusal {
            Some(refusal) => writeln!(out, "the start fails[{}]: {}", refusal.code, refusal.line),
            None => Ok(()),
        }
    }
}

impl Answer for Bindings {
    const COMMAND: &'static str = "bindings";

    fn verdict(&self) -> Verdict {
        match (&self.refusal, &self.asked, self.symbols.is_empty()) {
            (Some(_), ..) => Verdict::WouldNotStart,
            (None, Some(_), true) => Verdict::Findings,
            _ if !self.waiting.is_empty() => Verdict::Findings,
            _ => Verdict::Clean,
        }
    }
}
