//! A folder for each situation, and the one rule by which a fix is read out of a text and applied.

use std::path::PathBuf;
use std::process::{Command, Output};

use temp_dir::TempDir;

use crate::tools::{has, loader, run, succeed, switches, text, tool};

/// A situation in which a program does not start.
pub struct Situation {
    /// Makes it: commands for a shell that has read `situations.sh`. In `right` lie the files that only the user knows of.
    pub recipe: &'static str,
    /// Stands before each start, in the same shell
    pub before: &'static str,
    /// Starts the program
    pub start: &'static str,
    /// What says how to mend it, where that is not the start itself
    pub asked: Option<&'static str>,
    /// What the text says, at least: the code, and the facts of the table in words
    pub says: &'static [&'static str],
}

impl Situation {
    /// A situation in which the start says what to do.
    pub const fn new(recipe: &'static str, start: &'static str, says: &'static [&'static str]) -> Situation {
        Situation {
            recipe,
            before: "",
            start,
            asked: None,
            says,
        }
    }
}

/// What a text tells to do.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// A variable, which goes before the command that starts the program
    Variable(String),
    /// A switch for another link of the file
    Link(String),
    /// Any other command, which comes before the start
    Command(String),
    /// Nothing helps this file: another one in its place does
    Another(String),
}

/// What is needed besides the shell; `None`, with a word, where it is missing.
pub struct Stand {
    loader: PathBuf,
    tool: PathBuf,
    /// Switches with which gcc uses lld
    lld: String,
}

/// A start.
pub struct Said {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Stand {
    pub fn new() -> Option<Stand> {
        if !has("gcc") {
            return None;
        }
        Some(Stand {
            loader: loader()?,
            tool: tool()?,
            lld: switches("lld")?.join(" "),
        })
    }

    /// The folder of a situation.
    pub fn made(&self, recipe: &str) -> TempDir {
        let folder = TempDir::with_prefix("lode-fixes-").unwrap();
        std::os::unix::fs::symlink(&self.loader, folder.child("ld-lode")).unwrap();
        succeed(&mut self.shell(&folder, &format!(". \"$SITUATIONS\"\n{recipe}")));
        folder
    }

    /// A shell in the folder, which finds lode-tool.
    pub fn shell(&self, folder: &TempDir, script: &str) -> Command {
        let mut path = self.tool.parent().unwrap().as_os_str().to_owned();
        path.push(":/usr/bin:/bin:/usr/sbin:/sbin");
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .current_dir(folder.path())
            .env_remove("LD_LIBRARY_PATH")
            .env("PATH", path)
            .env(
                "SITUATIONS",
                concat!(env!("CARGO_MANIFEST_DIR"), "/fixes/situations.sh"),
            )
            .env("LLD", &self.lld);
        command
    }

    /// Runs a script in the folder.
    pub fn said(&self, folder: &TempDir, script: &str) -> Said {
        let Output { status, stdout, stderr } = run(&mut self.shell(folder, script));
        Said {
            status: status.code(),
            stdout: text(&stdout),
            stderr: text(&stderr),
        }
    }

    /// Makes the situation, reads what lode says of it, and applies each fix by itself, the next one to a situation that is made anew: every one has to let the
    /// program start. Returns the fixes, with DIR for the situation's folder.
    pub fn mended(&self, situation: &Situation) -> Vec<String> {
        let mut fixes = Vec::new();
        loop {
            let folder = self.made(situation.recipe);
            let told = self.told(&folder, situation);
            let Some(way) = ways(&told).into_iter().nth(fixes.len()) else {
                assert!(!fixes.is_empty(), "no fix in:\n{told}");
                return fixes;
            };
            let script = applied(&way, situation, &folder);
            let then = self.said(&folder, &script);
            assert_eq!(
                (then.status, &*then.stdout),
                (Some(0), "works\n"),
                "{told}--- then:\n{script}\n---\n{}",
                then.stderr
            );
            fixes.push(way.shown().replace(&*folder.path().to_string_lossy(), "DIR"));
        }
    }

    /// What is said of a situation, in which the program does not start.
    fn told(&self, folder: &TempDir, situation: &Situation) -> String {
        let Situation { before, start, .. } = situation;
        let first = self.said(folder, &format!("{before}\n{start}"));
        assert_ne!(first.status, Some(0), "it starts: {}{}", first.stdout, first.stderr);
        let told = match situation.asked {
            Some(asked) => self.said(folder, asked).stdout,
            None => first.stderr,
        };
        for part in situation.says {
            assert!(told.contains(part), "no {part:?} in:\n{told}");
        }
        told
    }
}

impl Way {
    fn shown(self) -> String {
        match self {
            Way::Variable(text) | Way::Link(text) | Way::Command(text) => text,
            Way::Another(_) => "none".to_owned(),
        }
    }
}

/// The fixes of a text. They stand in backquotes in its lines `fix: `; what `dlerror` returns is one line, and has them behind what is wrong. A fix that
/// begins with `none for this file` is that nothing but another file helps.
fn ways(text: &str) -> Vec<Way> {
    let mut lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  fix: ")).collect();
    if lines.is_empty() {
        lines.extend(text.lines().last());
    }
    lines.into_iter().flat_map(|line| ways_of_a_line(line, text)).collect()
}

fn ways_of_a_line(line: &str, text: &str) -> Vec<Way> {
    if line.starts_with("none for this file") {
        return culprit(text).map(Way::Another).into_iter().collect();
    }
    let quoted = line.split('`').skip(1).step_by(2);
    quoted
        .map(|quoted| match quoted.split_once('=') {
            _ if quoted.starts_with('-') => Way::Link(quoted.to_owned()),
            Some((name, _)) if !name.contains(' ') => Way::Variable(quoted.to_owned()),
            _ => Way::Command(quoted.to_owned()),
        })
        .collect()
}

/// The file that is wrong: the second line of a report names it.
fn culprit(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("lode["))?;
    let (_, rest) = line.split_once("]: ")?;
    Some(rest.split(',').next()?.to_owned())
}

/// The script that applies a fix and starts the program. What only the user knows is in the folder `right`: DIR is that folder, FILE the one file in it. A switch
/// is for the script `build`, which links the file that is wrong.
fn applied(way: &Way, situation: &Situation, folder: &TempDir) -> String {
    let Situation { before, start, .. } = situation;
    let known = |text: &str| {
        let mut right = std::fs::read_dir(folder.child("right")).unwrap();
        let file = right.next().map(|file| file.unwrap().path().display().to_string());
        text.replace("=DIR", "=right")
            .replace("=FILE", &format!("={}", file.unwrap_or_default()))
    };
    match way {
        Way::Variable(text) => format!("{before}\n{} {start}", known(text)),
        Way::Command(text) => format!("{before}\n{}\n{start}", known(text)),
        Way::Link(text) => format!("sh ./build {text} && {{ {before}\n{start}\n}}"),
        Way::Another(file) => {
            let name = file.rsplit('/').next().unwrap();
            format!("cp --remove-destination right/{name} {file}\n{before}\n{start}")
        }
    }
}
