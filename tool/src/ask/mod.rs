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

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::closure::{self, Closure, Surroundings};
use crate::image;
use crate::report::Format;
use crate::spelling;
use crate::tree::Tree;

/// Switches of every question about what a program brings along.
#[derive(clap::Args)]
pub struct Search {
    /// The root folder of the tree that the program lives in, or an OCI image layout (DIR, DIR:TAG or an archive of it); its paths, links and /etc/ld.so.cache
    /// count from there
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Directories to search before the program's own, as in LD_LIBRARY_PATH [default: LD_LIBRARY_PATH, if the root is /]
    #[arg(long, value_name = "LIST")]
    pub library_path: Option<OsString>,
    /// A library to load before the others, as in LD_PRELOAD; may be given again
    #[arg(long, value_name = "FILE")]
    pub preload: Vec<OsString>,
    /// Level of the CPU to search for, 1 to 4 [default: this computer's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub cpu_level: Option<u8>,
    /// Bind all functions at the start, as LD_BIND_NOW does [default: if LD_BIND_NOW is set, and the root is /]
    #[arg(long)]
    pub bind_now: bool,
}

impl Search {
    /// What the search depends on.
    ///
    /// # Errors
    /// There is no such tree, or the image cannot be read.
    pub fn surroundings(&self) -> Result<Surroundings> {
        // What the environment says is meant for the running system.
        let is_running_system = self.root == Path::new("/");
        let from_environment = || std::env::var_os("LD_LIBRARY_PATH").filter(|_| is_running_system);
        let is_set = std::env::var_os("LD_BIND_NOW").is_some_and(|value| !value.is_empty());
        let (tree, start) = match image::open(&self.root)? {
            Some(image) => (image.tree, Some(image.start)),
            None => (Tree::open(&self.root)?, None),
        };
        // An image says what its programs find in their environment.
        let from_image = |name| start.as_ref().and_then(|start| start.variable(name));
        Ok(Surroundings {
            library_path: self
                .library_path
                .clone()
                .or_else(from_environment)
                .or_else(|| from_image("LD_LIBRARY_PATH").map(Into::into)),
            cpu_level: self.cpu_level.unwrap_or_else(closure::cpu_level),
            bind_now: self.bind_now || (is_set && is_running_system) || from_image("LD_BIND_NOW").is_some(),
            tree,
            start,
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
        let listed = file.and_then(|file| Ok(std::fs::read(tree.outside(&file))?));
        let listed = spelling::text(&listed.unwrap_or_default());
        let lines = listed.lines().map(|line| line.split('#').next().unwrap_or_default());
        let names = lines
            .flat_map(|line| line.split([' ', '\t', ':']))
            .filter(|name| !name.is_empty());
        let given = self.preload.iter().map(|name| spelling::word(name));
        given.chain(names.map(str::to_owned)).collect()
    }
}

/// The switch of every question.
#[derive(clap::Args)]
pub struct Output {
    /// The form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A size of a page, which is a power of two: 4096, 0x10000, 16k, 64KiB.
pub fn page_size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix("kib").or_else(|| lower.strip_suffix('k')) {
        Some(digits) => (digits, 1024),
        None => (lower.as_str(), 1),
    };
    let size = effective::number(digits)
        .ok()
        .and_then(|number| number.checked_mul(unit));
    size.filter(|size| size.is_power_of_two() && (1024..=1 << 21).contains(size))
        .ok_or_else(|| "not a power of two from 1k to 2048k".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_size_is_read_in_every_common_form() {
        for text in ["65536", "0x10000", "64k", "64K", "64KiB"] {
            assert_eq!(page_size(text), Ok(65536), "{text}");
        }
        for text in ["", "k", "3k", "512", "4M", "0x1001", "-4096"] {
            assert!(page_size(text).is_err(), "{text}");
        }
    }
}
