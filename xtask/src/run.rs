//! `cargo xtask run`: a program under lode, as a command or in the place of the program's own interpreter.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::build;
use crate::interpreter::{self, Interpreter};
use crate::workspace;

/// Switches of `cargo xtask run`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Put lode over the program's own interpreter in a private mount namespace, so that children use it too
    #[arg(long)]
    as_interp: bool,
    /// The program (found in PATH when the name has no slash) and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM ARGS"
    )]
    program: Vec<OsString>,
}

/// Builds what is needed and becomes the program; returns only when that cannot be, or for a patched copy.
///
/// # Errors
/// The build fails, or the program cannot be found or started.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let loader = build::release()?;
    let (name, rest) = arguments.program.split_first().context("no program named")?;
    let program = find(Path::new(name))?;
    if !arguments.as_interp {
        return Err(Command::new(&loader).arg(&program).args(rest).exec())
            .with_context(|| format!("cannot start {}", loader.display()));
    }
    let bytes = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    let interp = Interpreter::of(&bytes).with_context(|| program.display().to_string())?;
    match interpreter::cover(&interp.path, &loader) {
        Ok(()) => Err(Command::new(&program).arg0(name).args(rest).exec())
            .with_context(|| format!("cannot start {}", program.display())),
        Err(error) => {
            eprintln!(
                "xtask: {error:#}; running a copy of {} with PT_INTERP changed in place, \
                 so children keep the system's loader and $ORIGIN is the copy's folder",
                program.display()
            );
            run_copy(bytes, &interp, &loader, name, rest)
        }
    }
}

/// Runs a copy of the program whose PT_INTERP names a short link to `loader`.
fn run_copy(
    mut bytes: Vec<u8>,
    interp: &Interpreter,
    loader: &Path,
    name: &OsString,
    rest: &[OsString],
) -> Result<ExitCode> {
    let folder = temp_dir::TempDir::with_prefix("l")?;
    let link = folder.path().join("ld");
    symlink(loader, &link).context("cannot make a short link to the loader")?;
    interp.replace(&mut bytes, &link)?;
    let copy = folder.path().join(Path::new(name).file_name().unwrap_or(name));
    fs::write(&copy, bytes).with_context(|| format!("cannot write {}", copy.display()))?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    let status = workspace::status(Command::new(&copy).arg0(name).args(rest))?;
    // A shell's convention for a program that a signal ended: 128 and the signal's number.
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// The file that a shell would start for `name` (POSIX, "Command Search and Execution").
fn find(name: &Path) -> Result<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return Ok(name.to_path_buf());
    }
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
        .with_context(|| format!("{}: not found in PATH", name.display()))
}
