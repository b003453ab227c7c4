//! Stops a command, and what it starts, at its system calls: to look around, or to end it there.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Which system calls count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All.
    All,
    /// Those that can change a file or start a program.
    Changing,
}

/// How a traced command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, before the call.
    Itself(i32),
    /// At the call.
    Killed,
}

/// Runs a command and asks `go_on` before each of its calls, counted from 0, and of those of what it starts. While it is asked, the one that
/// makes the call stands still. At the first no all of it is killed, and the call is not made.
pub fn run_while(command: &mut Command, calls: Calls, mut go_on: impl FnMut(usize) -> bool) -> End {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    // SAFETY: the closure makes one system call, which is allowed between fork and exec.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(io::Error::from)) };
    #[allow(clippy::zombie_processes, reason = "waited for below, with all that it starts")]
    let child = command.spawn().unwrap();
    let first = Pid::from_raw(child.id() as i32);
    assert!(matches!(waitpid(first, None), Ok(WaitStatus::Stopped(..))));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::setoptions(first, options).unwrap();
    ptrace::syscall(first, None).unwrap();
    let group = Pid::from_raw(-first.as_raw());
    let mut inside = BTreeSet::new();
    let mut count = 0;
    let mut end = None;
    // Until nobody of the group is left.
    while let Ok(status) = waitpid(group, Some(WaitPidFlag::__WALL)) {
        let (stopped, signal) = match status {
            WaitStatus::PtraceSyscall(process) => {
                // A stop for the entry, a stop for the end.
                if inside.insert(process) {
                    let counts = calls == Calls::All || changes(process);
                    if counts && end.is_none() && !go_on(count) {
                        killpg(first, Signal::SIGKILL).unwrap();
                        end = Some(End::Killed);
                        continue;
                    }
                    count += usize::from(counts);
                } else {
                    inside.remove(&process);
                }
                (process, None)
            }
            WaitStatus::PtraceEvent(process, ..) => (process, None),
            // What is new begins with a stop.
            WaitStatus::Stopped(process, Signal::SIGSTOP | Signal::SIGTRAP) => (process, None),
            WaitStatus::Stopped(process, signal) => (process, Some(signal)),
            WaitStatus::Exited(process, code) => {
                if process == first && end.is_none() {
                    end = Some(End::Itself(code));
                }
                continue;
            }
            _ => continue,
        };
        // One that has been killed meanwhile is not there to go on.
        let _ = ptrace::syscall(stopped, signal);
    }
    end.unwrap()
}

/// Whether the call that a process is about to make can change a file or start a program (x86-64, `syscall_64.tbl`).
fn changes(process: Pid) -> bool {
    const WRITE: u64 = 1;
    const OPENAT: u64 = 257;
    const CREATE: u64 = 0o100;
    let Ok(registers) = ptrace::getregs(process) else {
        return false;
    };
    match registers.orig_rax {
        OPENAT => registers.rdx & CREATE != 0,
        WRITE => true,
        // execve; fsync to ftruncate; rename to symlink; chmod to lchown; those with a folder's descriptor; renameat2.
        59 | 74..=77 | 82..=88 | 90..=94 | 258..=261 | 263..=266 | 268 | 316 => true,
        _ => false,
    }
}
