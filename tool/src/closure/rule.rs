//! What finds a file, as a value: people read it in brackets, programs by its kind.

use std::fmt::{self, Display};

use lode::search::Where;
use serde::Serialize;

use crate::spelling;

/// What finds a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "of")]
pub enum Rule {
    /// It is what was asked about
    Program,
    /// PT_INTERP of the program
    Interpreter,
    /// The name is a path
    Path,
    /// DT_RPATH of this file
    Rpath(String),
    /// LD_LIBRARY_PATH
    LibraryPath,
    /// DT_RUNPATH of this file
    Runpath(String),
    /// /etc/ld.so.cache
    Cache,
    /// The directories of every system of its kind
    Default,
    /// A file that is loaded already goes by the name
    Loaded,
}

impl From<&Where> for Rule {
    fn from(place: &Where) -> Rule {
        match place {
            Where::Direct => Rule::Path,
            Where::Rpath(of) => Rule::Rpath(spelling::text(of.bytes())),
            Where::LibraryPath => Rule::LibraryPath,
            Where::Runpath(of) => Rule::Runpath(spelling::text(of.bytes())),
            Where::Cache => Rule::Cache,
            Where::Default => Rule::Default,
        }
    }
}

/// A few words, which name a file without its folders.
impl Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Program => out.write_str("program"),
            Rule::Interpreter => out.write_str("interpreter"),
            Rule::Path => out.write_str("path"),
            Rule::Rpath(of) => write!(out, "rpath of {}", file_name(of)),
            Rule::LibraryPath => out.write_str("LD_LIBRARY_PATH"),
            Rule::Runpath(of) => write!(out, "runpath of {}", file_name(of)),
            Rule::Cache => out.write_str("cache"),
            Rule::Default => out.write_str("default"),
            Rule::Loaded => out.write_str("loaded already"),
        }
    }
}

/// The last component of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
