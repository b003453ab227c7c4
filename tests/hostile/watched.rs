//! A program's run under `ptrace`: what it wrote, how it ended, and where it was when it crashed.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
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
    /// The loader, before the first instruction of a frame, in a function that an object called: the top of the stack leads back there. That is the function of a
    /// TLS descriptor, which the object gave another argument than its descriptor.
    LoaderCalled,
    /// Executable memory of something else; or an exhausted stack that is full of calls from there, whoever was called last.
    Object,
    /// Memory that cannot be executed, or none.
    Nowhere,
}

/// What a run left.
pub struct Run {
    pub end: End,
    pub output: String,
    pub errors: String,
    /// Whether the kernel had mapped the loader when it gave the process away. One that it did not map then never runs.
    pub has_loader: bool,
}

/// How much of a run is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Signals
    Signals,
    /// Every instruction
    Instructions,
}

/// Runs a command, whose environment is what it says and no more, for at most `seconds`. `loader` is the loader's path, without symbolic links.
pub fn run(command: &mut Command, loader: &Path, seconds: u32) -> Run {
    run_at(Pace::Signals, command, loader, seconds)
}

/// As [`run`], instruction by instruction: the place of a signal is that of the last instruction which was executed before, so that a jump to nowhere is
/// its who jumped.
pub fn step(command: &mut Command, loader: &Path, seconds: u32) -> Run {
    run_at(Pace::Instructions, command, loader, seconds)
}

fn run_at(pace: Pace, command: &mut Command, loader: &Path, seconds: u32) -> Run {
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
    let (end, has_loader) = watch(pace, command, loader);
    Run {
        end,
        has_loader,
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

/// How it ended, and whether the loader was there.
fn watch(pace: Pace, command: &mut Command, loader: &Path) -> (End, bool) {
    let busy = |error: &io::Error| error.raw_os_error() == Some(Errno::ETXTBSY as i32);
    #[allow(clippy::zombie_processes, reason = "waited for below")]
    let child = loop {
        match command.spawn() {
            Ok(child) => break child,
            // Another thread's child, between fork and exec, still has the file open that this thread has just written.
            Err(error) if busy(&error) => thread::sleep(Duration::from_millis(1)),
            Err(_) => return (End::NotTaken, false),
        }
    };
    let process = Pid::from_raw(child.id() as i32);
    // One that was killed meanwhile is not there to go on.
    let go_on = |signal| match pace {
        Pace::Signals => drop(ptrace::cont(process, signal)),
        Pace::Instructions => drop(ptrace::step(process, signal)),
    };
    let at = || ptrace::getregs(process).map_or(0, |registers| registers.rip);
    let (mut begun, mut has_loader, mut place, mut before, mut here) = (false, false, Place::Nowhere, 0, 0);
    let end = loop {
        match waitpid(process, None).unwrap() {
            WaitStatus::Exited(_, status) => break End::Status(status),
            WaitStatus::Signaled(..) if !begun => break End::NotTaken,
            WaitStatus::Signaled(_, Signal::SIGALRM, _) => break End::Hang(place),
            WaitStatus::Signaled(_, signal, _) => break End::Signal(signal, place),
            WaitStatus::Stopped(_, Signal::SIGTRAP) if !begun => {
                begun = true;
                has_loader = maps(process).iter().any(|map| map.path == loader);
                ptrace::setoptions(process, Options::PTRACE_O_EXITKILL).unwrap();
                go_on(None);
            }
            WaitStatus::Stopped(_, Signal::SIGTRAP) if pace == Pace::Instructions => {
                (before, here) = (here, at());
                go_on(None);
            }
            WaitStatus::Stopped(_, signal) => {
                // A signal comes before the instruction at which it is told of was executed.
                let executed = if pace == Pace::Instructions { before } else { at() };
                place = whereabouts(process, executed, loader);
                if place == Place::Loader
                    && caller(process).map(|at| whereabouts(process, at, loader)) == Some(Place::Object)
                {
                    place = Place::LoaderCalled;
                }
                if place == Place::Loader && signal == Signal::SIGSEGV && object_fills_stack(process, loader) {
                    place = Place::Object;
                }
                go_on(Some(signal));
            }
            _ => {}
        }
    };
    (end, has_loader)
}

/// A mapping of a process.
struct Map {
    range: Range<u64>,
    is_code: bool,
    path: PathBuf,
}

fn maps(process: Pid) -> Vec<Map> {
    let text = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let map = |line: &str| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        Map {
            range: number(start)..number(end),
            is_code: rest.as_bytes()[2] == b'x',
            // proc_pid_maps(5): the path stands in a column of its own.
            path: line.get(73..).unwrap_or_default().into(),
        }
    };
    text.lines().map(map).collect()
}

/// Where a function without a frame returns to.
fn caller(process: Pid) -> Option<u64> {
    let top = ptrace::getregs(process).ok()?.rsp;
    let word = ptrace::read(process, top as ptrace::AddressType).ok()?;
    Some(word as u64)
}

/// Whether a stopped process has reached the end of its first thread's stack, in calls of which more return to objects than to the loader: a chain of calls that
/// the loader itself made would leave several of its own addresses for each of theirs.
fn object_fills_stack(process: Pid, loader: &Path) -> bool {
    /// Bytes around the end: larger than what the loader saves of a processor's registers in one step.
    const NEAR: u64 = 64 << 10;
    let maps = maps(process);
    let Some(stack) = maps.iter().find(|map| map.path == Path::new("[stack]")) else {
        return false;
    };
    let fault = ptrace::getsiginfo(process).map_or(0, |told| {
        // SAFETY: the kernel fills this field for SIGSEGV (sigaction(2)).
        unsafe { told.si_addr() as u64 }
    });
    if !(stack.range.start.saturating_sub(NEAR)..stack.range.start).contains(&fault) {
        return false;
    }
    let mut bytes = vec![0; NEAR.min(stack.range.end - stack.range.start) as usize];
    let memory = File::open(format!("/proc/{process}/mem"));
    if memory
        .and_then(|memory| memory.read_exact_at(&mut bytes, stack.range.start))
        .is_err()
    {
        return false;
    }
    let (mut own, mut of_objects) = (0, 0);
    for word in bytes.chunks_exact(8) {
        let at = u64::from_le_bytes(word.try_into().unwrap());
        match maps.iter().find(|map| map.is_code && map.range.contains(&at)) {
            Some(map) if map.path == loader => own += 1,
            Some(_) => of_objects += 1,
            None => {}
        }
    }
    of_objects > own
}

/// In whose memory an address of a stopped process lies.
fn whereabouts(process: Pid, at: u64, loader: &Path) -> Place {
    match maps(process).iter().find(|map| map.range.contains(&at)) {
        Some(map) if map.path == loader => Place::Loader,
        Some(map) if map.is_code => Place::Object,
        _ => Place::Nowhere,
    }
}
