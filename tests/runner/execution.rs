//! One run of one program: what it wrote and how it ended, within a time limit.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a test program may run.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// How often we look whether it has ended.
const INTERVAL: Duration = Duration::from_millis(2);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Status(i32),
    Signal(i32),
}

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub ending: Ending,
}

/// Runs `command` with files as its output (a process that it leaves behind cannot keep us waiting, as it would with
/// pipes), in a process group of its own.
///
/// # Errors
/// It cannot be started, or runs out of time.
pub fn execute(command: &mut Command) -> Result<Outcome, String> {
    let outputs = || {
        memfd_create(c"output", MFdFlags::MFD_CLOEXEC)
            .map(File::from)
            .map_err(|error| format!("no memory file: {error}"))
    };
    let (mut stdout, mut stderr) = (outputs()?, outputs()?);
    let shared = |file: &File| file.try_clone().map(Stdio::from).map_err(|error| error.to_string());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(shared(&stdout)?)
        .stderr(shared(&stderr)?)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
    let status = wait(&mut child)?;
    let ending = match (status, status.and_then(|status| status.code())) {
        (None, _) => None,
        (Some(_), Some(code)) => Some(Ending::Status(code)),
        (Some(status), None) => Some(Ending::Signal(status.signal().unwrap_or(0))),
    };
    let (stdout, stderr) = (text(&mut stdout)?, text(&mut stderr)?);
    match ending {
        Some(ending) => Ok(Outcome { stdout, stderr, ending }),
        None => Err(format!(
            "still running after {TIME_LIMIT:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )),
    }
}

/// Waits for the end; `None` when the process ran out of time and was killed with its group.
fn wait(child: &mut Child) -> Result<Option<ExitStatus>, String> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status));
        }
        if start.elapsed() > TIME_LIMIT {
            if let Ok(id) = i32::try_from(child.id()) {
                // It may have ended this moment; then there is nobody to kill.
                let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
            }
            child.wait().map_err(|error| error.to_string())?;
            return Ok(None);
        }
        thread::sleep(INTERVAL);
    }
}

/// All that was written to `file`, whose offset the child shared.
fn text(file: &mut File) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Status(code) => write!(formatter, "exit status {code}"),
            Ending::Signal(number) => write!(formatter, "signal {number}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}\n--- stdout\n{}--- stderr\n{}---",
            self.ending, self.stdout, self.stderr
        )
    }
}
