//! `lode-tool tree`: what a program needs, what that needs, and the rule that found each.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::{Output, Search};
use crate::closure::{Closure, Edge};
use crate::report::{Answer, Verdict, give};

/// Show what a program needs, as a tree, with the rule that found each library
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    program: PathBuf,
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    output: Output,
}

/// Answers.
///
/// # Errors
/// The program cannot be read or is no ELF file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let closure = arguments.search.closure(&arguments.program)?;
    give(
        &Tree {
            root: Node::program(&closure),
            closure: &closure,
        },
        arguments.output.format,
    )
}

#[derive(Serialize)]
struct Tree<'a> {
    #[serde(flatten)]
    root: Node,
    #[serde(skip)]
    closure: &'a Closure,
}

/// A file where it is asked for.
#[derive(Serialize)]
struct Node {
    /// The name that is asked for
    name: String,
    /// The file; `None` if nothing was found
    path: Option<String>,
    /// What found it
    rule: String,
    /// Whether it stands, with what it needs, further up
    again: bool,
    /// What it needs
    needs: Vec<Node>,
}

impl Node {
    fn program(closure: &Closure) -> Node {
        let mut shown = vec![false; closure.objects.len()];
        let program = &closure.objects[0];
        Node {
            name: program.path.clone(),
            path: Some(program.path.clone()),
            rule: program.binary.header.machine_name(),
            again: false,
            needs: Node::needs(closure, 0, &mut shown),
        }
    }

    fn needs(closure: &Closure, asker: usize, shown: &mut [bool]) -> Vec<Node> {
        let edges = closure.edges.iter().filter(|edge| edge.asker == asker);
        edges.map(|edge| Node::of(closure, edge, shown)).collect()
    }

    fn of(closure: &Closure, edge: &Edge, shown: &mut [bool]) -> Node {
        let again = edge.target.is_some_and(|target| shown[target]);
        let needs = match edge.target {
            Some(target) if !again => {
                shown[target] = true;
                Node::needs(closure, target, shown)
            }
            _ => Vec::new(),
        };
        Node {
            name: edge.name.clone(),
            path: edge.target.map(|target| closure.objects[target].path.clone()),
            rule: edge.rule.clone(),
            again,
            needs,
        }
    }

    fn write(&self, out: &mut fmt::Formatter<'_>, before: &str) -> fmt::Result {
        for (place, node) in self.needs.iter().enumerate() {
            let is_last = place + 1 == self.needs.len();
            let (branch, below) = if is_last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            write!(out, "{before}{branch}{}", node.name)?;
            match &node.path {
                Some(_) if node.again => writeln!(out, " (again)")?,
                Some(path) if *path == node.name => writeln!(out, " [{}]", node.rule)?,
                Some(path) => writeln!(out, " => {path} [{}]", node.rule)?,
                None => writeln!(out, " not found")?,
            }
            node.write(out, &format!("{before}{below}"))?;
        }
        Ok(())
    }
}

impl Display for Tree<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} [{}]", self.root.name, self.root.rule)?;
        self.root.write(out, "")
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
