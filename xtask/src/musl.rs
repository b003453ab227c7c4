//! `cargo xtask tables --musl`: the names that musl exports, from the libc.so of its releases.
//!
//! `lode-tool needs` says with them which musl would run a file. The files are those of Debian's packages `musl`, unpacked with
//! `dpkg-deb -x`: 1.2.2-1 (bullseye), 1.2.3-1 (bookworm), 1.2.5-3 (trixie). A name that a later release has no more counts still: musl's
//! loader goes on to answer to names that its headers have given up.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use object::{Object, ObjectSymbol};

use crate::workspace;

/// The first word of the command line.
pub const SWITCH: &str = "--musl";

/// The start of names that Debian adds: upstream has no fts(3).
const ADDED: &str = "fts_";

/// Where the names go.
const PLACE: &str = "tool/src/ask/needs/musl.txt";

/// Writes the names; each argument is `RELEASE=FILE`, the oldest release first.
///
/// # Errors
/// A file cannot be read, or the names cannot be written.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut text = String::from(
        "# Names that musl exports on x86-64, each under the oldest release looked at that has it.\n\
         # Made by `cargo xtask tables --musl` from libc.so of Debian's packages musl.\n",
    );
    let mut known = BTreeSet::new();
    for argument in arguments {
        let (release, file) = argument.split_once('=').context("an argument is RELEASE=FILE")?;
        let bytes = fs::read(file).with_context(|| file.to_owned())?;
        let libc = object::File::parse(bytes.as_slice()).with_context(|| file.to_owned())?;
        let names = libc
            .dynamic_symbols()
            .filter(|symbol| !symbol.is_undefined())
            .filter_map(|symbol| symbol.name().ok())
            .filter(|name| !name.is_empty());
        let new: BTreeSet<String> = names
            .map(str::to_owned)
            .filter(|name| !known.contains(name) && !name.starts_with(ADDED))
            .collect();
        text += &format!("[{release}]\n");
        for name in &new {
            text += name;
            text.push('\n');
        }
        known.extend(new);
    }
    let place = workspace::root().join(PLACE);
    fs::write(&place, text).with_context(|| PLACE.to_owned())?;
    println!("{PLACE}: {} names", known.len());
    Ok(())
}
