//! The pages of the book, and the blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

/// A command and what it is said to write.
pub struct Step {
    pub command: String,
    /// `None`: it only has to succeed
    pub output: Option<String>,
}

/// Where a block is run.
#[derive(PartialEq, Eq)]
pub enum Place {
    /// In the page's own folder, or in the one that a script makes
    Folder(Option<String>),
    /// Nowhere, for this reason
    Nowhere(String),
    /// It is a text, or a command that another test runs
    Elsewhere,
    /// In this file, from the root of the sources, which another test holds against a command
    File(String),
}

/// A fenced block.
pub struct Block {
    /// The page, from the root of the sources
    pub page: String,
    /// The number of its first line
    pub line: usize,
    pub place: Place,
    pub steps: Vec<Step>,
}

impl Block {
    pub fn is_run(&self) -> bool {
        matches!(self.place, Place::Folder(_) | Place::File(_))
    }

    /// A line about a block that is not run. It has no line number, which changes too easily.
    pub fn not_run(&self) -> Option<String> {
        let Place::Nowhere(why) = &self.place else { return None };
        let first = self
            .steps
            .first()
            .map(|step| step.command.lines().next().unwrap_or_default());
        Some(format!("{}: {}: {why}\n", self.page, first.unwrap_or_default()))
    }
}

/// Every page with its blocks, by name.
pub fn all(root: &Path) -> Vec<(String, Vec<Block>)> {
    let mut paths = vec![root.join("README.md")];
    for folder in ["docs", "docs/errors"] {
        let files = fs::read_dir(root.join(folder))
            .unwrap()
            .map(|file| file.unwrap().path());
        let mut files: Vec<PathBuf> = files
            .filter(|path| path.extension().is_some_and(|found| found == "md"))
            .collect();
        files.sort();
        paths.append(&mut files);
    }
    paths
        .into_iter()
        .map(|path| {
            let page = path.strip_prefix(root).unwrap().display().to_string();
            let blocks = blocks(&page, &fs::read_to_string(&path).unwrap());
            (page, blocks)
        })
        .collect()
}

fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        // In a list a block is indented.
        let indent = line.len() - line.trim_start().len();
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            let content = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| !line.trim_start().starts_with("```"));
            let content: Vec<&str> = content.map(|line| line.get(indent..).unwrap_or_default()).collect();
            let (steps, place) = (
                steps(kind, &content),
                place(before, kind, &content, &format!("{page}:{number}")),
            );
            blocks.push(Block {
                page: page.to_owned(),
                line: number + 1,
                place,
                steps,
            });
        }
        before = line.trim();
    }
    blocks
}

fn place(before: &str, kind: &str, content: &[&str], whose: &str) -> Place {
    let remark = before
        .strip_prefix("<!-- ")
        .and_then(|rest| rest.strip_suffix(" -->"))
        .unwrap_or_default();
    let is_run = matches!(kind, "console" | "sh");
    if let Some(why) = remark.strip_prefix("not run: ") {
        return Place::Nowhere(why.to_owned());
    }
    if remark.starts_with("tests/diagnostics/") {
        // tests/diagnostics.rs writes and compares these.
        return Place::Elsewhere;
    }
    if remark.starts_with("tests/") {
        return Place::File(remark.to_owned());
    }
    let shows_command = content.first().is_some_and(|line| line.starts_with("$ "));
    assert!(
        is_run || !shows_command,
        "{whose}: a command in a block that is not marked `console`"
    );
    match is_run {
        true => Place::Folder(remark.strip_prefix("in: ").map(str::to_owned)),
        false => Place::Elsewhere,
    }
}

/// The commands of a block; of a text, all of it.
fn steps(kind: &str, content: &[&str]) -> Vec<Step> {
    if kind != "console" {
        return vec![Step {
            command: content.join("\n"),
            output: None,
        }];
    }
    let mut steps: Vec<Step> = Vec::new();
    for line in content {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                output: Some(String::new()),
            }),
            // A command that goes on.
            (None, Some(step)) if step.command.ends_with('\\') => step.command += &format!("\n{line}"),
            (None, Some(step)) => *step.output.get_or_insert_default() += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    steps
}
