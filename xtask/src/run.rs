//! `cargo xtask run`: a program under lode, as a command or in the place of the program's own interpreter.
//!
//! On a host whose libc lode does not start, it says what else there is to see: a program of this repository that needs none.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::interpreter::{self, Interpreter};
use crate::workspace;

/// Switches of `cargo xtask run`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Put lode over the program's own interpreter in a private mount namespace, so that children use it too
    #[arg(long)]
    as_interp: bool,
    /// Build and run a small program that needs no C library, with lode as its interpreter: it runs on any host
    #[arg(long, conflicts_with_all = ["as_interp", "program"])]
    demo: bool,
    /// The program (found in PATH when the name has no slash) and its arguments
    #[arg(
        required_unless_present = "demo",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM ARGS"
    )]
    program: Vec<OsString>,
}

/// Builds the loader and lode-tool, and turns this process into `lode-tool`.
///
/// # Errors
/// The build fails, or its product cannot be started.
pub fn tool(arguments: &[String]) -> Result<ExitCode> {
    build::release()?;
    let tool = workspace::tool();
    Err(workspace::as_the_user(Command::new(&tool).args(arguments)).exec())
        .with_context(|| format!("cannot start {}", tool.display()))
}

/// Builds what is needed and becomes the program; returns only when that cannot be, or for a patched copy.
///
/// # Errors
/// The build fails, or the program cannot be found or started.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let loader = build::release()?;
    if arguments.demo {
        return demo(&loader);
    }
    let (name, rest) = arguments.program.split_first().context("no program named")?;
    let program = find(Path::new(name))?;
    if !starts_its_libc(&loader, &program) {
        let status = workspace::status(workspace::as_the_user(Command::new(&loader).arg(&program).args(rest)))?;
        eprintln!("{OFFER}");
        return Ok(code_of(status));
    }
    if !arguments.as_interp {
        return Err(workspace::as_the_user(Command::new(&loader).arg(&program).args(rest)).exec())
            .with_context(|| format!("cannot start {}", loader.display()));
    }
    let bytes = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    let interp = Interpreter::of(&bytes).with_context(|| program.display().to_string())?;
    match interpreter::cover(&interp.path, &loader) {
        Ok(()) => Err(workspace::as_the_user(Command::new(&program).arg0(name).args(rest)).exec())
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
    Ok(code_of(workspace::status(workspace::as_the_user(
        Command::new(&copy).arg0(name).args(rest),
    ))?))
}

/// How a program ended, as a shell tells it: 128 and the signal's number for one that a signal ended.
fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// What is said behind the loader's own words when it is the host's libc that keeps a program from running.
const OFFER: &str = "\
xtask: programs of this host cannot run under this lode, because of their C library; `cargo xtask run --demo` shows one that needs none";

/// The libc of a program.
#[derive(Debug, PartialEq, Eq)]
enum Libc {
    /// It has none.
    None,
    /// This libc.so.6, or where it would be said that there is none.
    Glibc(String),
    /// One that lode starts nowhere, such as musl's.
    Other,
}

impl Libc {
    /// The one in what the loader prints of a program's libraries: `NAME => FILE (ADDRESS)`, `NAME => not found`, or `FILE (ADDRESS)`.
    fn listed(list: &str) -> Self {
        for line in list.lines() {
            let line = line.trim();
            let line = line.rsplit_once(" (").map_or(line, |(line, _)| line);
            let (name, place) = line.split_once(" => ").unwrap_or((line, line));
            let name = name.rsplit('/').next().unwrap_or(name);
            if name == "libc.so.6" {
                return Self::Glibc(place.to_owned());
            }
            if name == "libc.so" || name.starts_with("libc.musl-") || name.starts_with("ld-musl-") {
                return Self::Other;
            }
        }
        Self::None
    }
}

/// Whether lode starts the libc that the program would load, if there is one. Nothing of either is run.
fn starts_its_libc(loader: &Path, program: &Path) -> bool {
    // What the loader is to tell of the program's own start, it does not tell of these two questions.
    let asked = || {
        let mut command = Command::new(loader);
        workspace::as_the_user(&mut command);
        command.env_remove("LD_DEBUG").env_remove("LD_DEBUG_OUTPUT");
        command
    };
    let Ok(listed) = asked().arg(program).env("LD_TRACE_LOADED_OBJECTS", "1").output() else {
        return true;
    };
    match Libc::listed(&String::from_utf8_lossy(&listed.stdout)) {
        Libc::None => true,
        Libc::Other => false,
        Libc::Glibc(file) => {
            let answer = asked().arg("--check-libc").arg(file).output();
            answer.is_ok_and(|answer| answer.status.success())
        }
    }
}

/// Builds the program of `tests/programs/demo` and runs it with `loader` as its interpreter.
fn demo(loader: &Path) -> Result<ExitCode> {
    let programs = workspace::root().join("tests/programs");
    let sources = programs.join("demo");
    let folder = temp_dir::TempDir::with_prefix("lode-demo-")?;
    let compile = |output: &str, source: &str, arguments: &[&str]| -> Result<()> {
        let mut command = Command::new("cc");
        command
            // Plain loops must stay loops: nobody defines memset in a program without libc.
            .args(["-O1", "-w", "-nostdlib", "-ffreestanding", "-fno-stack-protector"])
            .args(["-fno-tree-loop-distribute-patterns", "-fcf-protection=none", "-I"])
            .arg(&programs)
            .arg(sources.join(source))
            .args(["-o", output])
            .args(arguments)
            .current_dir(folder.path());
        let status = workspace::status(&mut command)?;
        ensure!(status.success(), "cannot build the demo: {status}");
        Ok(())
    };
    compile("libgreeting.so", "greeting.c", &["-fPIC", "-shared"])?;
    let interpreter = format!("-Wl,--dynamic-linker={}", loader.display());
    let linked = ["-fPIE", "-pie", &interpreter, "-Wl,-rpath,$ORIGIN", "libgreeting.so"];
    compile("demo", "main.c", &linked)?;
    let mut demo = Command::new(folder.path().join("demo"));
    Ok(code_of(workspace::status(workspace::as_the_user(&mut demo))?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libc_of_a_program_is_found_in_what_the_loader_lists() {
        let glibc = |file: &str| Libc::Glibc(file.to_owned());
        for (line, libc) in [
            (
                "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)",
                glibc("/lib/x86_64-linux-gnu/libc.so.6"),
            ),
            ("\tlibc.so.6 => not found", glibc("not found")),
            ("\t/opt/libc.so.6 (0x00007f)", glibc("/opt/libc.so.6")),
            (
                "\tlibc.musl-x86_64.so.1 => /lib/libc.musl-x86_64.so.1 (0x00007f)",
                Libc::Other,
            ),
            ("\t/usr/lib/x86_64-linux-musl/libc.so (0x00007f)", Libc::Other),
            ("\tlibc.so => not found", Libc::Other),
            ("\tlibcap.so.2 => /lib/libcap.so.2 (0x00007f)", Libc::None),
            ("\tstatically linked", Libc::None),
            ("", Libc::None),
        ] {
            let list = format!("\tlinux-vdso.so.1 (0x00007f)\n{line}\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n");
            assert_eq!(Libc::listed(&list), libc, "{line}");
        }
    }
}
