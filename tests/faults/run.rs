//! One run of a program that meets faults: what its start finds on the stack is edited, one of its system calls fails, limits are small.

use std::ffi::{CString, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace::{self, Options};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, execve, setgid, setgroups, setuid};

use super::about::{About, Places};

/// Seconds after which a run counts as one that hangs. A machine with much else to do needs ten for fifty thousand preloads that nobody finds.
const PATIENCE: u32 = 60;

/// `write(2)`, by which a program marks its steps.
const WRITE: u64 = 1;
/// AT_IGNORE: what takes the place of an entry that is to be missing (getauxval(3)).
const AT_IGNORE: u64 = 1;

/// What becomes of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It fails.
    Fails(Errno),
    /// It is made, and answers that it failed, as close(2) does.
    Answers(Errno),
    /// It is not made, and returns this.
    Returns(u64),
    /// Its third argument, a length, is at most this.
    Short(u64),
}

/// Which calls of a number meet an outcome.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The number of the system call.
    pub number: u64,
    /// Which of them, from 0.
    pub nth: usize,
    /// Whether all that follow do too, as long as the watch lasts.
    pub lasts: bool,
    /// What happens.
    pub outcome: Outcome,
}

/// A program to run, and what it meets.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The file, then the arguments.
    pub arguments: Vec<OsString>,
    /// argv\[0\], where it is not the file.
    pub name: Option<OsString>,
    /// The environment, entry by entry: no entry has to have an equals sign.
    pub environment: Vec<Vec<u8>>,
    /// Where it runs.
    pub folder: PathBuf,
    /// Whether its system calls are looked at, which takes time.
    pub is_watched: bool,
    /// A call that fails, in a run that is watched.
    pub fault: Option<Fault>,
    /// Whether calls count only between the first and the second write to descriptor 1, and not from the start to the first.
    pub between_writes: bool,
    /// Kinds of entries of the auxiliary vector, and the values that take the place of the kernel's; `None`: the entry is missing.
    pub auxiliaries: Vec<(u64, Option<u64>)>,
    /// Whether argv is empty.
    pub without_arguments: bool,
    /// Descriptors that are closed.
    pub closed: Vec<i32>,
    /// A limit, soft and hard.
    pub limit: Option<(Resource, u64)>,
    /// The user who runs it, without a tracer: a traced program gets no rights that its user has not (execve(2)), so nothing of the above that takes one.
    pub user: Option<u32>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Status(i32),
    /// By a signal.
    Signal(Signal),
    /// The kernel killed it before its first instruction.
    NotStarted,
    /// Not at all.
    Hangs,
}

/// What a run left.
#[derive(Debug)]
pub struct Left {
    /// How it ended.
    pub end: End,
    /// Descriptor 1.
    pub output: String,
    /// Descriptor 2.
    pub errors: String,
    /// The numbers of the system calls that counted, in order.
    pub calls: Vec<u64>,
    /// What the calls that met the fault were about, in order.
    pub met: Vec<About>,
}

/// What was seen of the system calls of a run.
#[derive(Default)]
struct Seen {
    calls: Vec<u64>,
    met: Vec<About>,
}

impl Run {
    /// A run of a file with these arguments, in the folder.
    pub fn of(arguments: &[&Path], folder: &Path) -> Run {
        Run {
            arguments: arguments
                .iter()
                .map(|argument| argument.as_os_str().to_owned())
                .collect(),
            folder: folder.to_owned(),
            ..Run::default()
        }
    }

    /// The same with a variable.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Run {
        let mut entry = format!("{name}=").into_bytes();
        entry.extend_from_slice(value.as_ref());
        self.environment.push(entry);
        self
    }

    /// Runs it.
    pub fn go(&self) -> Left {
        let memory = |name| File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC).unwrap());
        let (output, errors) = (memory(c"output"), memory(c"errors"));
        // The program is started by execve(2) itself, because `Command` writes no entry twice, and none without an equals sign.
        let string = |bytes: &[u8]| CString::new(bytes).unwrap();
        let file = string(self.arguments[0].as_bytes());
        let mut arguments: Vec<CString> = self.arguments.iter().map(|word| string(word.as_bytes())).collect();
        if let Some(name) = &self.name {
            arguments[0] = string(name.as_bytes());
        }
        let environment: Vec<CString> = self.environment.iter().map(|entry| string(entry)).collect();
        let (closed, limit, user) = (self.closed.clone(), self.limit, self.user);
        let before = move || -> Result<(), Errno> {
            setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
            // A file that grows without end, or memory that does, is found out.
            setrlimit(Resource::RLIMIT_FSIZE, 1 << 24, 1 << 24)?;
            setrlimit(Resource::RLIMIT_AS, 1 << 31, 1 << 31)?;
            nix::unistd::alarm::set(PATIENCE);
            match user {
                None => ptrace::traceme()?,
                Some(user) => {
                    setgroups(&[])?;
                    setgid(Gid::from_raw(user))?;
                    setuid(Uid::from_raw(user))?;
                }
            }
            for descriptor in &closed {
                nix::unistd::close(*descriptor)?;
            }
            if let Some((resource, value)) = limit {
                setrlimit(resource, value, value)?;
            }
            execve(&file, &arguments, &environment)?;
            Ok(())
        };
        let mut command = Command::new(&self.arguments[0]);
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(errors.try_clone().unwrap());
        // SAFETY: system calls, and memory for pointers, which glibc gives between fork and exec too.
        unsafe { command.pre_exec(move || before().map_err(io::Error::from)) };
        let Ok(child) = command.spawn() else {
            return Left::nothing();
        };
        let process = Pid::from_raw(child.id() as i32);
        let (end, seen) = match self.user {
            None => self.follow(process),
            Some(_) => (wait(process), Seen::default()),
        };
        Left {
            end,
            output: content(output),
            errors: content(errors),
            calls: seen.calls,
            met: seen.met,
        }
    }

    fn follow(&self, process: Pid) -> (End, Seen) {
        match waitpid(process, None).unwrap() {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            // The kernel found no room for the program.
            _ => return (End::NotStarted, Seen::default()),
        }
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(process, options).unwrap();
        self.edit_stack(process);
        let mut places = Places::read(process);
        let mut about = About::Process;
        let (mut seen, mut writes, mut inside, mut result) = (Seen::default(), 0, false, None);
        let mut signal = None;
        loop {
            // One that has been killed meanwhile is waited for.
            let _ = match self.is_watched {
                true => ptrace::syscall(process, signal.take()),
                false => ptrace::cont(process, signal.take()),
            };
            match waitpid(process, None).unwrap() {
                WaitStatus::Exited(_, status) => return (End::Status(status), seen),
                WaitStatus::Signaled(_, signal, _) => return (End::Signal(signal), seen),
                WaitStatus::Stopped(_, Signal::SIGALRM) => {
                    ptrace::kill(process).unwrap();
                    waitpid(process, None).unwrap();
                    return (End::Hangs, seen);
                }
                WaitStatus::Stopped(_, other) => signal = Some(other),
                WaitStatus::PtraceSyscall(_) => {
                    inside = !inside;
                    let Ok(mut registers) = ptrace::getregs(process) else {
                        continue;
                    };
                    if inside {
                        writes += usize::from(registers.orig_rax == WRITE && registers.rdi == 1);
                        about = places.of(&registers, process);
                        if writes == usize::from(self.between_writes) && registers.orig_rax != WRITE {
                            let number = registers.orig_rax;
                            if self.meets(number, &seen.calls) {
                                seen.met.push(about.clone());
                                result = self.meet(&mut registers);
                                ptrace::setregs(process, registers).unwrap();
                            }
                            seen.calls.push(number);
                        }
                    } else if let Some(value) = result.take() {
                        registers.rax = value;
                        ptrace::setregs(process, registers).unwrap();
                    } else {
                        places.note(&registers, about.clone());
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the next call of this number meets the fault.
    fn meets(&self, number: u64, before: &[u64]) -> bool {
        self.fault.is_some_and(|fault| {
            let nth = before.iter().filter(|one| **one == number).count();
            fault.number == number && (nth == fault.nth || fault.lasts && nth > fault.nth)
        })
    }

    /// Lets a call that is about to be made meet its fault. Returns what it is to return, unless that is the kernel's answer.
    fn meet(&self, registers: &mut nix::libc::user_regs_struct) -> Option<u64> {
        let failure = |errno: Errno| (-i64::from(errno as i32)).cast_unsigned();
        let value = match self.fault?.outcome {
            Outcome::Answers(errno) => return Some(failure(errno)),
            Outcome::Fails(errno) => failure(errno),
            Outcome::Returns(value) => value,
            Outcome::Short(length) => {
                registers.rdx = registers.rdx.min(length);
                return None;
            }
        };
        registers.orig_rax = u64::MAX;
        Some(value)
    }

    /// Edits what the kernel left on the stack (psABI, "Initial Stack and Register State").
    fn edit_stack(&self, process: Pid) {
        if self.auxiliaries.is_empty() && !self.without_arguments {
            return;
        }
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{process}/mem"))
            .unwrap();
        let mut registers = ptrace::getregs(process).unwrap();
        let word = |at: u64| {
            let mut bytes = [0; 8];
            memory.read_exact_at(&mut bytes, at).unwrap();
            u64::from_le_bytes(bytes)
        };
        let write = |at: u64, value: u64| memory.write_all_at(&value.to_le_bytes(), at).unwrap();
        let mut place = registers.rsp + 8 * (word(registers.rsp) + 2);
        while word(place) != 0 {
            place += 8;
        }
        place += 8;
        while word(place) != 0 {
            for (kind, value) in &self.auxiliaries {
                if word(place) == *kind {
                    match value {
                        None => write(place, AT_IGNORE),
                        Some(value) => write(place + 8, *value),
                    }
                }
            }
            place += 16;
        }
        if self.without_arguments {
            // argc moves up to where an even number of arguments ends, so that the stack pointer keeps its alignment.
            let count = word(registers.rsp);
            assert!(count.is_multiple_of(2), "an odd number of arguments");
            registers.rsp += 8 * count;
            write(registers.rsp, 0);
            ptrace::setregs(process, registers).unwrap();
        }
    }
}

/// Waits for the end of a process that nobody traces.
fn wait(process: Pid) -> End {
    match waitpid(process, None).unwrap() {
        WaitStatus::Exited(_, status) => End::Status(status),
        WaitStatus::Signaled(_, Signal::SIGALRM, _) => End::Hangs,
        WaitStatus::Signaled(_, signal, _) => End::Signal(signal),
        other => panic!("{other:?}"),
    }
}

impl Left {
    fn nothing() -> Left {
        Left {
            end: End::NotStarted,
            output: String::new(),
            errors: String::new(),
            calls: Vec::new(),
            met: Vec::new(),
        }
    }
}

fn content(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
