//! The questions that lode-tool answers about files, one command a file. Each is a `clap` structure with `run`, and an
//! [`Answer`](crate::report::Answer) that is both the text and the JSON.

pub mod bindings;
pub mod check;
pub mod compat;
pub mod effective;
pub mod explain;
pub mod explain_code;
pub mod features;
pub mod harden;
pub mod needs;
pub mod plan;
pub mod probes;
pub mod relocation_sizes;
pub mod strict;
pub mod tree;
pub mod why;
pub mod why_not;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::closure::{self, Closure, Surroundings};
use crate::report::Format;
use crate::tree::Tree;

/// Switches of every question about what a program brings along.
#[derive(clap::Args)]
pub struct Search {
    /// The root folder of the tree that the program lives in; its paths, links and /etc/ld.so.cache count from there
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Directories to search before the program's own, as in LD_LIBRARY_PATH [default: LD_LIBRARY_PATH, if the root is /]
    #[arg(long, value_name = "LIST")]
    pub library_path: Option<String>,
    /// A library to load before the others, as in LD_PRELOAD; may be given again
    #[arg(long, value_name = "FILE")]
    pub preload: Vec<String>,
    /// Level of the CPU to search for, 1 to 4 [default: this computer's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub cpu_level: Option<u8>,
}

impl Search {
    /// What the search depends on.
    ///
    /// # Errors
    /// There is no such tree.
    pub fn surroundings(&self) -> Result<Surroundings> {
        let from_environment = || {
            std::env::var("LD_LIBRARY_PATH")
                .ok()
                .filter(|_| self.root == Path::new("/"))
        };
        Ok(Surroundings {
            tree: Tree::open(&self.root)?,
            library_path: self.library_path.clone().or_else(from_environment),
            cpu_level: self.cpu_level.unwrap_or_else(closure::cpu_level),
        })
    }

    /// The program as a path in the tree: absolute, because the working directory means nothing there.
    ///
    /// # Errors
    /// A relative path cannot be completed.
    pub fn inside(&self, program: &Path) -> Result<PathBuf> {
        if self.root != Path::new("/") {
            return Ok(Path::new("/").join(program.strip_prefix("/").unwrap_or(program)));
        }
        std::path::absolute(program).with_context(|| program.display().to_string())
    }

    /// All that the program brings along.
    ///
    /// # Errors
    /// There is no such tree, or the program is not there or no ELF file.
    pub fn closure(&self, program: &Path) -> Result<Closure> {
        let surroundings = self.surroundings()?;
        Closure::of(&self.inside(program)?, &self.preloads(&surroundings), &surroundings)
    }

    /// What is loaded before the others: `--preload`, then what /etc/ld.so.preload of the tree names (ld.so(8)).
    pub fn preloads(&self, surroundings: &Surroundings) -> Vec<String> {
        let tree = &surroundings.tree;
        let file = tree.resolve(Path::new("/etc/ld.so.preload"));
        let listed = file.and_then(|file| Ok(std::fs::read_to_string(tree.outside(&file))?));
        let listed = listed.unwrap_or_default();
        let lines = listed.lines().map(|line| line.split('#').next().unwrap_or_default());
        let names = lines
            .flat_map(|line| line.split([' ', '\t', ':']))
            .filter(|name| !name.is_empty());
        self.preload.iter().cloned().chain(names.map(str::to_owned)).collect()
    }
}

/// The switch of every question.
#[derive(clap::Args)]
pub struct Output {
    /// The form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
