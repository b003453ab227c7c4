//! `cargo xtask bench`: builds the loader and has the package `lode-bench` compare it with others. That is a package of its own, so that tables and plots do not make
//! every other command wait for their crates.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{build, workspace};

/// Switches that need no loader of ours, or name other ones.
const WITHOUT_LODE: &[&str] = &["--help", "-h", "--list", "--loader"];

/// Compares.
///
/// # Errors
/// The loader or the package does not build, or the program cannot be started. What it finds is the answer, not an error.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let needs_lode = !arguments.iter().any(|argument| is_without_lode(argument));
    let chosen = std::env::var_os("LODE_LOADER");
    if needs_lode && chosen.is_none() {
        build::release()?;
    }
    let program = workspace::cargo_artifact(&["build", "--quiet", "-p", "lode-bench"], &[], "/lode-bench")?;
    let status = workspace::status(Command::new(program).args(arguments))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_without_lode(argument: &str) -> bool {
    let (name, _) = argument.split_once('=').unwrap_or((argument, ""));
    WITHOUT_LODE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_loaders_of_its_own_needs_no_build() {
        assert!(is_without_lode("--loader") && is_without_lode("--loader=old=/lib/ld.so") && is_without_lode("--help"));
        assert!(!is_without_lode("--rounds=3") && !is_without_lode("empty"));
    }
}
