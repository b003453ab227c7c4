//! The system's `as`, `ld` and `gcc`, and the files that the benchmark has them make.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, thread};

use anyhow::{Context, Result, bail};

/// What the programs that are measured name as their interpreter until a copy names another: the psABI's path, whose length is the room for it.
pub const INTERPRETER: &str = "/lib64/ld-linux-x86-64.so.2";

/// Ends each assembler text: without it the file asks for an executable stack.
const NO_EXECUTABLE_STACK: &str = ".section .note.GNU-stack,\"\",@progbits\n";

/// Runs a tool and gives its complaint as the error.
///
/// # Errors
/// The tool is not installed, or it fails.
pub fn run(command: &mut Command) -> Result<()> {
    fed(command, "")
}

/// Runs a tool with `input` on its standard input.
///
/// # Errors
/// As [`run`].
pub fn fed(command: &mut Command, input: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .with_context(|| format!("{name} does not read"))?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Assembles `text` into `object`.
///
/// # Errors
/// As [`run`].
pub fn object(text: &str, object: &Path) -> Result<()> {
    fed(
        Command::new("as").arg("-o").arg(object).arg("-"),
        &format!("{text}{NO_EXECUTABLE_STACK}"),
    )
}

/// What a library or a program is linked with.
#[derive(Default)]
pub struct Link<'a> {
    /// Libraries that it needs, in the order of DT_NEEDED.
    pub needed: &'a [PathBuf],
    /// DT_RUNPATH; `$ORIGIN` without it.
    pub runpath: Option<&'a str>,
    /// More switches of the linker.
    pub switches: &'a [&'a str],
}

impl Link<'_> {
    fn command(&self, kind: &[&str], file: &Path) -> Command {
        let mut command = Command::new("ld");
        command
            .args(kind)
            .args(["--hash-style=gnu", "-z", "relro", "-z", "noexecstack", "--no-as-needed"]);
        command.args([
            "--enable-new-dtags",
            "--allow-shlib-undefined",
            "-rpath",
            self.runpath.unwrap_or("$ORIGIN"),
        ]);
        command.args(self.switches).arg("-o").arg(file);
        command
    }

    /// Links `objects` into a library whose soname is its file's name; the objects are removed.
    ///
    /// # Errors
    /// As [`run`].
    pub fn library(&self, objects: &[PathBuf], file: &Path) -> Result<()> {
        let soname = file.file_name().unwrap_or(OsStr::new("lib.so"));
        let mut command = self.command(&["-shared"], file);
        command.arg("-soname").arg(soname).args(objects).args(self.needed);
        run(&mut command)?;
        objects.iter().try_for_each(|object| Ok(fs::remove_file(object)?))
    }

    /// Assembles `text` and links it into a position-independent program without any C library.
    ///
    /// # Errors
    /// As [`run`].
    pub fn program(&self, text: &str, file: &Path) -> Result<()> {
        let part = file.with_extension("o");
        object(text, &part)?;
        let mut command = self.command(&["-pie", "-z", "now", "-dynamic-linker", INTERPRETER], file);
        run(command.arg(&part).args(self.needed))?;
        Ok(fs::remove_file(part)?)
    }
}

/// Assembles and links one library.
///
/// # Errors
/// As [`run`].
pub fn library(text: &str, file: &Path, link: &Link) -> Result<()> {
    let part = file.with_extension("o");
    object(text, &part)?;
    link.library(&[part], file)
}

/// Runs `job` for each number below `count`, on as many threads as there are processors.
///
/// # Errors
/// The first that a job has.
pub fn each(count: usize, job: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let job = &job;
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads)
            .map(|lane| scope.spawn(move || (lane..count).step_by(threads).try_for_each(job)))
            .collect();
        lanes.into_iter().try_for_each(|lane| {
            lane.join()
                .unwrap_or_else(|_| bail!("a thread of the generator panicked"))
        })
    })
}
