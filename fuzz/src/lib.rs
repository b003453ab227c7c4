//! Any bytes into each decoder of the loader: a target is a function that panics if something is wrong, and returns otherwise.
//!
//! `tests/fuzz.rs` gives each target the files of `fuzz/corpus/TARGET/`, and copies of them with seeded changes; any toolchain will do. `fuzz/guided/` gives
//! them to libFuzzer, which looks at what an input covers and needs a nightly compiler (see the README there).

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a target panics where it finds something")]

mod environment;
mod files;
mod streams;
mod whole;

/// A decoder, or some that belong together.
pub struct Target {
    /// The corpus's folder.
    pub name: &'static str,
    /// Gives it the bytes.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($function:path: $name:ident,)*) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $function }),*];
    };
}

targets! {
    files::header: header,
    files::dynamic: dynamic,
    files::notes: notes,
    files::hash: hash,
    files::symbols: symbols,
    files::versions: versions,
    streams::relocations: relocations,
    streams::relr: relr,
    streams::aps2: aps2,
    environment::cache: cache,
    environment::options: options,
    environment::paths: paths,
    whole::line: line,
}

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
