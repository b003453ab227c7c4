//! `lode-tool tree`: what a program needs, what that needs, and the rule that found each.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use lode::error::{Code, Kind, Name};
use serde::Serialize;

use super::check::finding::NO_INTERPRETER;
use super::{Output, Search};
use crate::closure::{Attempt, Closure, Edge, Means, Possibility, Rule};
use crate::report::{Answer, Verdict, give};

/// Show what a program needs, as a tree, with the rule that found each library
///
/// Nothing is mapped or run, so that the program may be for another machine and may come from anybody. Dashed branches are libraries
/// that a file says it may open while it runs.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    program: PathBuf,
    /// Print a list in the form of ldd, in load order; addresses are 0, because nothing is mapped
    #[arg(long, conflicts_with_all = ["dot", "format"])]
    list: bool,
    /// Print a graph in the language of Graphviz
    #[arg(long, conflicts_with = "format")]
    dot: bool,
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
    let form = match (arguments.list, arguments.dot) {
        (true, _) => Form::List,
        (_, true) => Form::Graph,
        _ => Form::Tree,
    };
    give(
        &Tree {
            machine: closure.objects[0].binary.header.machine_name(),
            root: Node::program(&closure),
            closure: &closure,
            form,
        },
        arguments.output.format,
    )
}

/// How many levels are shown. Real programs have some ten; a chain of thousands would be mostly indentation. Readers of JSON
/// take 128 levels as a rule, and a level of files has two.
const MOST_LEVELS: usize = 48;

/// The form of the text.
enum Form {
    Tree,
    List,
    Graph,
}

#[derive(Serialize)]
struct Tree<'a> {
    /// What the program's machine is called
    machine: String,
    #[serde(flatten)]
    root: Node,
    #[serde(skip)]
    closure: &'a Closure,
    #[serde(skip)]
    form: Form,
}

/// A file where it is asked for.
#[derive(Serialize)]
struct Node {
    /// The name that is asked for
    name: String,
    /// The file; `None` if nothing was found
    path: Option<String>,
    /// What found the file when it was asked for first
    rule: Option<Rule>,
    /// Whether it stands, with what it needs, further up
    again: bool,
    /// The code of that nothing was found
    code: Option<String>,
    /// What is there under the name though it is no file that can be loaded, if nothing was found
    instead: Option<String>,
    /// What of the file could not be read, so that it may need more
    notes: Vec<String>,
    /// Whether it stands so deep that what it needs is left out
    cut: bool,
    /// What it needs
    needs: Vec<Node>,
    /// What it may open while it runs
    optional: Vec<Optional>,
}

/// A library that a file may open while it runs.
#[derive(Serialize)]
struct Optional {
    /// Names that will do, best first
    names: Vec<String>,
    /// The first that is there
    path: Option<String>,
    /// What found it
    rule: Option<Rule>,
    /// What it is good for, in a word
    feature: Option<String>,
    /// What it is good for, in a sentence
    description: Option<String>,
    /// `required`, `recommended` or `suggested`
    priority: Option<String>,
}

impl Node {
    fn program(closure: &Closure) -> Node {
        let mut shown = vec![false; closure.objects.len()];
        shown[0] = true;
        let program = &closure.objects[0];
        Node {
            name: program.path.clone(),
            path: Some(program.path.clone()),
            rule: Some(program.rule.clone()),
            again: false,
            code: None,
            instead: None,
            notes: program.binary.damage.clone(),
            cut: false,
            needs: Node::needs(closure, 0, 1, &mut shown),
            optional: Optional::of(closure, 0),
        }
    }

    fn needs(closure: &Closure, asker: usize, level: usize, shown: &mut [bool]) -> Vec<Node> {
        let edges = closure.edges.iter().filter(|edge| edge.asker == asker);
        edges.map(|edge| Node::of(closure, edge, level, shown)).collect()
    }

    fn of(closure: &Closure, edge: &Edge, level: usize, shown: &mut [bool]) -> Node {
        let mut node = Node {
            name: edge.name.clone(),
            path: None,
            rule: None,
            again: false,
            code: None,
            instead: None,
            notes: Vec::new(),
            cut: false,
            needs: Vec::new(),
            optional: Vec::new(),
        };
        let Some(target) = edge.target else {
            node.code = missing(edge).map(|code| code.to_string());
            node.instead = instead(edge);
            return node;
        };
        let object = &closure.objects[target];
        node.path = Some(object.path.clone());
        node.rule = Some(object.rule.clone());
        node.again = std::mem::replace(&mut shown[target], true);
        node.cut = !node.again && level >= MOST_LEVELS && !object.binary.needed.is_empty();
        if !node.again {
            node.notes = object.binary.damage.clone();
        }
        if !node.again && !node.cut {
            node.needs = Node::needs(closure, target, level + 1, shown);
            node.optional = Optional::of(closure, target);
        }
        node
    }

    fn write(&self, out: &mut fmt::Formatter<'_>, before: &str) -> fmt::Result {
        let count = self.needs.len() + self.optional.len();
        for (place, node) in self.needs.iter().enumerate() {
            let (branch, below) = if place + 1 == count {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            writeln!(out, "{before}{branch}{}", node.line())?;
            for note in &node.notes {
                writeln!(out, "{before}{below}note: {note}")?;
            }
            if node.cut {
                writeln!(out, "{before}{below}… (level {MOST_LEVELS}; --list shows all files)")?;
            }
            node.write(out, &format!("{before}{below}"))?;
        }
        for (place, optional) in (self.needs.len()..).zip(&self.optional) {
            let branch = if place + 1 == count { "└╌╌ " } else { "├╌╌ " };
            writeln!(out, "{before}{branch}{optional}")?;
        }
        Ok(())
    }

    fn line(&self) -> String {
        let name = &self.name;
        match (&self.path, &self.rule) {
            (Some(_), _) if self.again => format!("{name} (again)"),
            (Some(path), Some(rule)) if path == name => format!("{name} [{rule}]"),
            (Some(path), Some(rule)) => format!("{name} => {path} [{rule}]"),
            _ => {
                let code = self.code.iter().map(|code| format!(" [{code}]"));
                let instead = self.instead.iter().map(|instead| format!(" ({instead})"));
                format!("{name} not found{}", code.chain(instead).collect::<String>())
            }
        }
    }
}

/// The code of that an edge leads nowhere; a preload may.
fn missing(edge: &Edge) -> Option<Code> {
    let library = || Kind::Missing {
        library: Name::from(edge.name.as_str()),
        tried: Vec::new(),
    };
    match edge.means {
        Means::Interpreter => Some(NO_INTERPRETER),
        Means::Preload => None,
        Means::Needed(_) => Some(library().code()),
    }
}

/// What is there in the place of a file that was looked for: `/lib/libx.so: a directory, not a regular file`.
fn instead(edge: &Edge) -> Option<String> {
    let is_there = |attempt: &&Attempt| {
        let absent = ["No such file or directory", "Not a directory"];
        attempt.refused.as_deref().is_some_and(|why| !absent.contains(&why))
    };
    let attempt = edge.attempts.iter().find(is_there)?;
    Some(format!("{}: {}", attempt.path, attempt.refused.as_deref()?))
}

impl Optional {
    fn of(closure: &Closure, asker: usize) -> Vec<Optional> {
        let of_asker = closure.possibilities.iter().filter(|one| one.asker == asker);
        of_asker.map(Optional::from).collect()
    }
}

impl From<&Possibility> for Optional {
    fn from(possibility: &Possibility) -> Optional {
        let wish = possibility.wish.clone();
        Optional {
            names: wish.soname,
            path: possibility.found.as_ref().map(|(path, _)| path.clone()),
            rule: possibility.found.as_ref().map(|(_, rule)| rule.clone()),
            feature: wish.feature,
            description: wish.description,
            priority: wish.priority,
        }
    }
}

impl Display for Optional {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "dlopen? {}", self.names.join(" or "))?;
        match (&self.path, &self.rule) {
            (Some(path), Some(rule)) => write!(out, " => {path} [{rule}]")?,
            _ => out.write_str(" not found")?,
        }
        let what: Vec<&str> = [&self.priority, &self.feature, &self.description]
            .into_iter()
            .filter_map(|one| one.as_deref())
            .filter(|one| !one.is_empty())
            .collect();
        if what.is_empty() {
            return Ok(());
        }
        write!(out, " ({})", what.join(": "))
    }
}

impl Tree<'_> {
    /// The lines of ldd(1), but for the vDSO, which is no file.
    fn list(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = &self.closure.objects[0].binary;
        if binary.dynamic.is_empty() {
            return writeln!(out, "\tnot a dynamic executable");
        }
        if binary.needed.is_empty() && binary.interpreter.is_none() {
            return writeln!(out, "\tstatically linked");
        }
        let width = usize::from(binary.header.bits / 4);
        for edge in self.closure.load_order() {
            let object = edge.target.map(|target| (target, &self.closure.objects[target]));
            match object {
                None => writeln!(out, "\t{} => not found", edge.name)?,
                Some((target, object)) if Some(target) == self.closure.interpreter || object.path == edge.name => {
                    writeln!(out, "\t{} (0x{:0width$x})", object.path, 0)?;
                }
                Some((_, object)) => writeln!(out, "\t{} => {} (0x{:0width$x})", edge.name, object.path, 0)?,
            }
        }
        Ok(())
    }

    /// The graph as Graphviz reads it: files are boxes, what is missing is an octagon, what may be opened hangs by a dashed line.
    fn graph(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = &self.closure.objects;
        writeln!(out, "digraph {{\n    node [shape=box];")?;
        for edge in &self.closure.edges {
            let asker = quoted(&objects[edge.asker].path);
            match edge.target {
                Some(target) => {
                    let object = &objects[target];
                    let label = match &edge.rule {
                        Some(Rule::Loaded) | None => String::new(),
                        Some(rule) => format!(" [label={}]", quoted(&rule.to_string())),
                    };
                    writeln!(out, "    {asker} -> {}{label};", quoted(&object.path))?;
                }
                None => {
                    let name = quoted(&edge.name);
                    writeln!(
                        out,
                        "    {name} [shape=octagon];\n    {asker} -> {name} [label=\"not found\"];"
                    )?;
                }
            }
        }
        for possibility in &self.closure.possibilities {
            let asker = quoted(&objects[possibility.asker].path);
            let (name, found) = match &possibility.found {
                Some((path, _)) => (quoted(path), ""),
                None => (quoted(&possibility.wish.soname.join(" or ")), ", label=\"not found\""),
            };
            writeln!(out, "    {asker} -> {name} [style=dashed{found}];")?;
        }
        writeln!(out, "}}")
    }
}

/// A string of the Graphviz language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Display for Tree<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Tree => {
                writeln!(out, "{} [{}]", self.root.name, self.machine)?;
                for note in &self.root.notes {
                    writeln!(out, "note: {note}")?;
                }
                self.root.write(out, "")
            }
            Form::List => self.list(out),
            Form::Graph => self.graph(out),
        }
    }
}

impl Answer for Tree<'_> {
    const COMMAND: &'static str = "tree";

    fn verdict(&self) -> Verdict {
        if self.closure.missing().next().is_some() {
            Verdict::WouldNotStart
        } else {
            Verdict::Clean
        }
    }
}
