//! What of a start can be counted without noise: system calls, memory that is its own, the most that it had.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::libc::PTRACE_EVENT_EXEC;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::Serialize;

use crate::measure::Start;

/// Figures of one start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Counts {
    /// System calls, execve the first of them.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Memory that the process has written and shares with nobody, at its end, in kB: `Anonymous` of smaps_rollup (proc(5)). `Private_Dirty` there also
    /// has pages of files that are not yet on the disk, as those of new files are.
    pub private_dirty: u64,
    /// The most memory that was resident, in kB (`VmHWM`, proc(5)).
    pub peak: u64,
    /// Instructions in the loader, if they were counted.
    pub instructions: Option<u64>,
}

/// Starts the program under ptrace(2).
///
/// # Errors
/// It cannot be started or traced.
pub fn counts(start: &Start) -> Result<Counts> {
    let timed = start.command();
    let mut command = Command::new("/bin/sh");
    // A shell that stops and then becomes the program: whoever is stopped can be traced from its next call on.
    command
        .args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""])
        .arg(timed.get_program())
        .args(timed.get_args());
    command
        .env_clear()
        .envs(timed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let child = command.spawn().context("cannot start a shell")?;
    let child = Pid::from_raw(i32::try_from(child.id())?);
    waitpid(child, Some(WaitPidFlag::WUNTRACED))?;
    let options = Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACEEXIT | Options::PTRACE_O_TRACESYSGOOD;
    ptrace::seize(child, options).context("cannot trace")?;
    kill(child, Signal::SIGCONT)?;
    follow(child)
}

/// Follows a traced process to its end.
fn follow(child: Pid) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut is_program = false;
    let mut is_inside = true;
    loop {
        let mut signal = None;
        match waitpid(child, None)? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) if is_program => return Ok(counts),
            WaitStatus::Exited(_, status) => bail!("the shell ended with status {status}"),
            WaitStatus::PtraceEvent(_, _, PTRACE_EVENT_EXEC) => {
                is_program = true;
                counts.calls = 1;
            }
            WaitStatus::PtraceEvent(_, _, nix::libc::PTRACE_EVENT_EXIT) => memory(child, &mut counts)?,
            // The stops at the begin and at the end of calls take turns; the first is the end of execve.
            WaitStatus::PtraceSyscall(_) if is_program => {
                if is_inside {
                    counts.failed += u64::from(has_failed(child)?);
                } else {
                    counts.calls += 1;
                }
                is_inside = !is_inside;
            }
            WaitStatus::Stopped(_, received) => signal = Some(received),
            _ => {}
        }
        ptrace::syscall(child, signal)?;
    }
}

/// Whether a stopped process is at the end of a system call that failed: its result is then a negated number of errno (x86-64 psABI, "Linux conventions").
fn has_failed(child: Pid) -> Result<bool> {
    Ok(ptrace::getregs(child)?.rax > -4096i64 as u64)
}

/// Reads what the process has when it ends, while it still has it.
fn memory(child: Pid, counts: &mut Counts) -> Result<()> {
    let folder = Path::new("/proc").join(child.to_string());
    let read = |file: &str, field: &str| -> Result<u64> {
        let text = fs::read_to_string(folder.join(file))?;
        Ok(kilobytes(&text, field).unwrap_or_default())
    };
    counts.private_dirty = read("smaps_rollup", "Anonymous:")?;
    counts.peak = read("status", "VmHWM:")?;
    Ok(())
}

/// The value of a field that proc(5) gives in kB.
fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::find;

    #[test]
    fn a_start_has_calls_and_memory() {
        let start = Start {
            program: find("true").unwrap(),
            arguments: Vec::new(),
            now: true,
            variables: Vec::new(),
        };
        let first = counts(&start).unwrap();
        assert!(
            first.calls > 10 && first.private_dirty > 0 && first.peak > first.private_dirty,
            "{first:?}"
        );
        let second = counts(&start).unwrap();
        assert_eq!((first.calls, first.failed), (second.calls, second.failed));
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "Private_Clean:         8 kB\nPrivate_Dirty:       100 kB\n";
        assert_eq!(kilobytes(text, "Private_Dirty:"), Some(100));
        assert_eq!(kilobytes(text, "Dirty:"), None);
    }
}
