//! A program's run under `ptrace`: what it wrote, how it ended, and where it was when it crashed.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, thread, time::Duration};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace::{self, Options};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, alarm, execve};

/// Bytes of address space that a run may have.
const SPACE: u64 = 2 << 30;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Status(i32),
    Signal(Signal, Place),
    /// It was still there when its time was over; where it was then.
    Hang(Place),
    /// The kernel did not take the program, before or after there was no way back.
    NotTaken,
}

/// Where the instruction lies at which a signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Loader,
    /// Executable memory of something else.
    Object,
    /// Memory that cannot be executed, or none.
    Nowhere,
    /// Anywhere in a process into which no loader was mapped.
    NoLoader,
}

/// What a run left.
pub struct Run {
    pub end: End,
    pub output: String,
    pub errors: String,
}

/// Runs a command, whose environment is what it says and no more, for at most `seconds`. `loader` is the loader's path, without symbolic links.
pub fn run(command: &mut Command, loader: &Path, seconds: u32) -> Run {
    let file = || File::from(memfd_create(c"output", MFdFlags::MFD_CLOEXEC).unwrap());
    let (mut output, mut errors) = (file(), file());
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(errors.try_clone().unwrap());
    let word = |word: &OsStr| CString::new(word.as_bytes()).unwrap();
    let program = word(command.get_program());
    let words: Vec<CString> = [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(word)
        .collect();
    let setting =
        |(name, value): (&OsStr, Option<&OsStr>)| word(&[name, value.unwrap_or_default()].join(OsStr::new("=")));
    let environment: Vec<CString> = command.get_envs().map(setting).collect();
    let start = move || {
        setrlimit(Resource::RLIMIT_AS, SPACE, SPACE)?;
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        alarm::set(seconds);
        ptrace::traceme()?;
        // Not left to the library, which gives to a shell what the kernel does not take.
        execve(&program, &words, &environment)?;
        Ok(())
    };
    // SAFETY: the closure makes system calls, which is allowed between fork and exec, and allocates two short lists, which glibc's malloc allows there.
    unsafe { command.pre_exec(start) };
    let end = watch(command, loader);
    Run {
        end,
        output: text(&mut output),
        errors: text(&mut errors),
    }
}

/// What stands in a file whose offset a child shared.
fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn watch(command: &mut Command, loader: &Path) -> End {
    let busy = |error: &io::Error| error.raw_os_error() == Some(Errno::ETXTBSY as i32);
    #[allow(clippy::zombie_processes, reason = "waited for below")]
    let child = loop {
        match command.spawn() {
            Ok(child) => break child,
            // Another thread's child, between fork and exec, still has the file open that this thread has just written.
            Err(error) if busy(&error) => thread::sleep(Duration::from_millis(1)),
            Err(_) => return End::NotTaken,
        }
    };
    let process = Pid::from_raw(child.id() as i32);
    let (mut begun, mut place) = (false, Place::NoLoader);
    loop {
        match waitpid(process, None).unwrap() {
            WaitStatus::Exited(_, status) => return End::Status(status),
            WaitStatus::Signaled(..) if !begun => return End::NotTaken,
            WaitStatus::Signaled(_, Signal::SIGALRM, _) => return End::Hang(place),
            WaitStatus::Signaled(_, signal, _) => return End::Signal(signal, place),
            WaitStatus::Stopped(_, Signal::SIGTRAP) if !begun => {
                begun = true;
                ptrace::setoptions(process, Options::PTRACE_O_EXITKILL).unwrap();
                ptrace::cont(process, None).unwrap();
            }
            WaitStatus::Stopped(_, signal) => {
                place = whereabouts(process, loader);
                // One that was killed meanwhile is not there to go on.
                let _ = ptrace::cont(process, signal);
            }
            _ => {}
        }
    }
}

/// In whose memory a stopped process executes.
fn whereabouts(process: Pid, loader: &Path) -> Place {
    let Ok(registers) = ptrace::getregs(process) else {
        return Place::NoLoader;
    };
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let (mut place, mut has_loader, mut runs_off) = (Place::Nowhere, false, false);
    for line in maps.lines() {
        let is_loader = line.get(73..).is_some_and(|path| Path::new(path) == loader);
        has_loader |= is_loader;
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let is_code = rest.as_bytes()[2] == b'x' && !is_loader;
        runs_off |= is_code && number(end) == registers.rip;
        if (number(start)..number(end)).contains(&registers.rip) {
            place = match (is_loader, rest.as_bytes()[2]) {
                (true, _) => Place::Loader,
                (false, b'x') => Place::Object,
                (false, _) => Place::Nowhere,
            };
        }
    }
    match (has_loader, runs_off) {
        (false, _) => Place::NoLoader,
        // Code that the damage filled with zeros is executed up to its end.
        (true, true) => Place::Object,
        (true, false) => place,
    }
}
