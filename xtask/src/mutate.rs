//! `cargo xtask test --mutate`: a test suite is worth what it notices. Each mutation of `tests/mutations.txt`
//! disables one arm of the loader or of lode-tool in a copy of the workspace; the tests that it names must then fail.
//!
//! | suite | what runs |
//! |---|---|
//! | `unit`, `tool` | the tests beside the code of the loader, of lode-tool |
//! | `world` | the stages over memory |
//! | any other | a test target of tests/, with both programs built from the copy |

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use crate::workspace;

/// The table, below the workspace's root.
const TABLE: &str = "tests/mutations.txt";

/// One change to one file, and the tests that must notice it.
#[derive(Debug, PartialEq, Eq)]
struct Mutation {
    name: String,
    file: String,
    find: String,
    replace: String,
    suite: String,
    tests: String,
}

/// How the loader is built for a mutation: fast rather than small. It is the same code from the same sources.
const FAST_PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
];

/// Runs the mutations whose name contains `filter` and lists those that no test noticed.
///
/// # Errors
/// The table cannot be read, the copy cannot be made, or a named test fails without any mutation: then its failure proves
/// nothing.
pub fn run(filter: Option<&str>) -> Result<ExitCode> {
    let root = workspace::root();
    let text = fs::read_to_string(root.join(TABLE)).context(TABLE)?;
    let mutations: Vec<Mutation> = parse(&text)?
        .into_iter()
        .filter(|mutation| filter.is_none_or(|filter| mutation.name.contains(filter)))
        .collect();
    ensure!(!mutations.is_empty(), "{TABLE} has no such mutation");

    let copy = temp_dir::TempDir::with_prefix("lode-mutate")?;
    copy_workspace(&root, copy.path())?;
    let named: BTreeSet<(&str, &str)> = mutations
        .iter()
        .map(|mutation| (mutation.suite.as_str(), mutation.tests.as_str()))
        .collect();
    for (suite, tests) in named {
        ensure!(
            build(suite, copy.path())? && test(suite, tests, copy.path())?,
            "{suite} {tests} fails without any mutation"
        );
    }
    let (mut noticed, mut survived, mut stale) = (0usize, 0usize, 0usize);
    for mutation in &mutations {
        let path = copy.path().join(&mutation.file);
        let verdict = match fs::read_to_string(&path) {
            Ok(original) => {
                let verdict = attempt(mutation, &original, &path, copy.path());
                fs::write(&path, original)?;
                verdict
            }
            Err(error) => Err(error.into()),
        };
        match verdict {
            Ok(true) => {
                noticed += 1;
                println!("noticed   {}", mutation.name);
            }
            Ok(false) => {
                survived += 1;
                println!("SURVIVED  {}: {} {}", mutation.name, mutation.suite, mutation.tests);
            }
            Err(error) => {
                stale += 1;
                println!("STALE     {}: {error:#}", mutation.name);
            }
        }
    }
    println!("{noticed} noticed, {survived} survived, {stale} stale");
    Ok(if survived + stale == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Applies one mutation in the copy and runs its tests; whether one of them failed.
fn attempt(mutation: &Mutation, original: &str, path: &Path, copy: &Path) -> Result<bool> {
    fs::write(path, mutation.apply(original)?)?;
    // What does not build proves nothing about the tests.
    ensure!(build(&mutation.suite, copy)?, "the mutated sources do not build");
    Ok(!test(&mutation.suite, &mutation.tests, copy)?)
}

/// Whether a suite links the loader's library into itself; the others run the interpreter.
fn is_in_memory(suite: &str) -> bool {
    matches!(suite, "unit" | "world")
}

/// Builds what a suite tests; whether it builds.
fn build(suite: &str, copy: &Path) -> Result<bool> {
    match suite {
        "unit" => cargo(copy, &["test", "--quiet", "-p", "ld-lode", "--lib", "--no-run"]),
        "tool" => cargo(copy, &["test", "--quiet", "-p", "lode-tool", "--no-run"]),
        suite if is_in_memory(suite) => cargo(
            copy,
            &["test", "--quiet", "-p", "lode-tests", "--test", suite, "--no-run"],
        ),
        _ => cargo(copy, &["run", "--quiet", "-p", "xtask", "--", "build"]),
    }
}

/// Runs the tests of a suite whose names contain `tests`; whether none failed.
fn test(suite: &str, tests: &str, copy: &Path) -> Result<bool> {
    match suite {
        "unit" => cargo(copy, &["test", "--quiet", "-p", "ld-lode", "--lib", "--", tests]),
        "tool" => cargo(copy, &["test", "--quiet", "-p", "lode-tool", "--", tests]),
        suite if is_in_memory(suite) => cargo(
            copy,
            &["test", "--quiet", "-p", "lode-tests", "--test", suite, "--", tests],
        ),
        suite => cargo(
            copy,
            &["run", "--quiet", "-p", "xtask", "--", "test", "--suite", suite, tests],
        ),
    }
}

/// Runs cargo silently in the copy; whether it succeeded.
fn cargo(copy: &Path, arguments: &[&str]) -> Result<bool> {
    let program = workspace::cargo().get_program().to_owned();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .envs(FAST_PROFILE.iter().copied())
        .env_remove("CARGO_MANIFEST_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}

/// Copies what git would: everything but the build folder and git's own.
fn copy_workspace(from: &Path, to: &Path) -> Result<()> {
    let files = WalkDir::new(from)
        .into_iter()
        .filter_entry(|entry| entry.depth() != 1 || (entry.file_name() != "target" && entry.file_name() != ".git"));
    for entry in files {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else if entry.file_type().is_file() {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

impl Mutation {
    /// The text with the mutation in it.
    ///
    /// # Errors
    /// What it replaces does not occur exactly once.
    fn apply(&self, text: &str) -> Result<String> {
        let count = text.matches(&self.find).count();
        ensure!(
            count == 1,
            "{} occurs {count} times in {}, not once",
            self.find,
            self.file
        );
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

/// Reads the table: blocks of `key: value` lines apart by empty lines; lines that start with `#` are comments.
/// A repeated `find` or `replace` adds a line to it.
fn parse(text: &str) -> Result<Vec<Mutation>> {
    let mut mutations = Vec::new();
    for block in text.split("\n\n") {
        let field = |key: &str| -> Option<String> {
            let prefix = format!("{key}:");
            let lines: Vec<&str> = block
                .lines()
                .filter_map(|line| line.strip_prefix(&prefix))
                // One space after the colon belongs to the format, further ones to the text.
                .map(|value| value.strip_prefix(' ').unwrap_or(value))
                .collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        };
        if block.lines().all(|line| line.is_empty() || line.starts_with('#')) {
            continue;
        }
        for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let known = ["mutation", "file", "find", "replace", "suite", "tests"];
            if !line.split_once(':').is_some_and(|(key, _)| known.contains(&key)) {
                bail!("{TABLE}: `{line}` is none of {}", known.join(", "));
            }
        }
        let needed = |key: &str| field(key).with_context(|| format!("{TABLE}: a block without `{key}:`:\n{block}"));
        mutations.push(Mutation {
            name: needed("mutation")?,
            file: needed("file")?,
            find: needed("find")?,
            replace: needed("replace")?,
            suite: needed("suite")?,
            tests: field("tests").unwrap_or_default(),
        });
    }
    Ok(mutations)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "# a comment\n\nmutation: pc32 is skipped\nfile: a.rs\nfind: one\nfind:   two\n\
                         replace: three\nsuite: programs\ntests: reloc\n";

    #[test]
    fn a_block_reads_as_one_mutation() {
        let mutations = parse(BLOCK).unwrap();
        assert_eq!(mutations.len(), 1);
        assert_eq!(mutations[0].find, "one\n  two");
        assert_eq!(mutations[0].apply("x one\n  two y").unwrap(), "x three y");
    }

    #[test]
    fn text_that_is_gone_or_ambiguous_is_stale() {
        let mutation = &parse(BLOCK).unwrap()[0];
        assert!(mutation.apply("nothing").is_err());
        assert!(mutation.apply("one\n  two one\n  two").is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(parse("mutation: x\nfiel: y\n").is_err());
    }

    #[test]
    fn the_checked_in_table_is_well_formed() {
        let text = fs::read_to_string(workspace::root().join(TABLE)).unwrap();
        parse(&text).unwrap();
    }
}
