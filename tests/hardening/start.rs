//! What the start of a program does before the program's first instruction, seen by a tracer.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Endianness, elf};

/// Calls that make sockets and files, change files, write, and say what signals do (`syscall_64.tbl`).
const REMARKABLE: &[(&str, u64)] = &[
    ("write", 1),
    ("rt_sigaction", 13),
    ("rt_sigprocmask", 14),
    ("pwrite64", 18),
    ("writev", 20),
    ("socket", 41),
    ("connect", 42),
    ("socketpair", 53),
    ("truncate", 76),
    ("ftruncate", 77),
    ("rename", 82),
    ("mkdir", 83),
    ("creat", 85),
    ("link", 86),
    ("unlink", 87),
    ("symlink", 88),
    ("chmod", 90),
    ("sigaltstack", 131),
    ("mkdirat", 258),
    ("unlinkat", 263),
    ("renameat", 264),
    ("signalfd4", 289),
    ("renameat2", 316),
    ("memfd_create", 319),
];
const OPEN: u64 = 2;
const OPENAT: u64 = 257;
/// All that opens a file other than for reading (`fcntl.h`): O_WRONLY, O_RDWR, O_CREAT, O_TRUNC.
const NOT_FOR_READING: u64 = 0o1 | 0o2 | 0o100 | 0o1000;

/// What differs at the program's entry from what the kernel started, or would not be seen there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Remarkable calls, by name.
    pub calls: Vec<String>,
    /// The files behind descriptors that have come.
    pub descriptors: BTreeSet<PathBuf>,
    /// What is blocked, ignored and caught, where that is not as it was.
    pub signals: Vec<String>,
    /// System calls in all.
    pub count: usize,
}

/// Where in the file a program's first instruction is, and its address in memory for the start of its mapping there. `None` for what is no ELF program.
struct Entry {
    file: PathBuf,
    place: u64,
}

impl Entry {
    fn of(program: &Path) -> Option<Entry> {
        let file = program.canonicalize().ok()?;
        let bytes = fs::read(&file).ok()?;
        let parsed = ElfFile64::<Endianness>::parse(&*bytes).ok()?;
        let (endian, header) = (parsed.endian(), parsed.elf_header());
        let address = header.e_entry(endian);
        let segment = header.program_headers(endian, &*bytes).ok()?.iter().find(|segment| {
            let start = segment.p_vaddr(endian);
            segment.p_type(endian) == elf::PT_LOAD && (start..start + segment.p_filesz(endian)).contains(&address)
        })?;
        let place = address - segment.p_vaddr(endian) + segment.p_offset(endian);
        Some(Entry { file, place })
    }

    /// Its address, once it is mapped for execution.
    fn address(&self, process: Pid) -> Option<u64> {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        maps.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (start, end) = words[0].split_once('-')?;
            let (start, end, offset) = (number(start)?, number(end)?, number(words[2])?);
            let holds = (offset..offset + (end - start)).contains(&self.place);
            let is_it = words.get(5).is_some_and(|path| Path::new(path) == self.file);
            (is_it && holds && words[1].contains('x')).then(|| self.place - offset + start)
        })
    }
}

fn descriptors(process: Pid) -> BTreeSet<(String, PathBuf)> {
    let folder = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    folder
        .map(|entry| entry.unwrap())
        .filter_map(|entry| {
            Some((
                entry.file_name().into_string().unwrap(),
                fs::read_link(entry.path()).ok()?,
            ))
        })
        .collect()
}

fn signals(process: Pid) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ"));
    lines.map(str::to_owned).collect()
}

/// Follows a command up to the entry of `program`, which it starts in its own process, and ends it there. `None` where nothing can be traced, or the program
/// is no ELF file.
pub fn up_to_entry(command: &[&Path], program: &Path) -> Option<Traces> {
    let entry = Entry::of(program)?;
    let mut start = Command::new(command[0]);
    start
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // SAFETY: one system call.
    unsafe { start.pre_exec(|| ptrace::traceme().map_err(io::Error::from)) };
    let process = Pid::from_raw(start.spawn().ok()?.id() as i32);
    assert_eq!(
        waitpid(process, None),
        Ok(WaitStatus::Stopped(process, Signal::SIGTRAP))
    );
    ptrace::setoptions(process, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL).unwrap();
    let (descriptors_before, signals_before) = (descriptors(process), signals(process));
    let (mut traces, mut inside, mut planted) = (Traces::default(), false, false);
    loop {
        if !planted && let Some(at) = entry.address(process) {
            // int3
            ptrace::write(process, at as *mut _, 0xcc).unwrap();
            planted = true;
        }
        ptrace::syscall(process, None).unwrap();
        match waitpid(process, None).unwrap() {
            WaitStatus::PtraceSyscall(_) => {
                inside = !inside;
                if inside {
                    traces.note(process);
                }
            }
            WaitStatus::Stopped(_, Signal::SIGTRAP) => break,
            other => panic!("{command:?}: {other:?} before the entry of the program"),
        }
    }
    assert_eq!(Some(ptrace::getregs(process).unwrap().rip - 1), entry.address(process));
    let came = descriptors(process)
        .into_iter()
        .filter(|one| !descriptors_before.contains(one));
    traces.descriptors = came.map(|(_, file)| file).collect();
    let after = signals(process)
        .into_iter()
        .filter(|line| !signals_before.contains(line));
    traces.signals = after.collect();
    ptrace::kill(process).unwrap();
    waitpid(process, None).unwrap();
    Some(traces)
}

impl Traces {
    fn note(&mut self, process: Pid) {
        let registers = ptrace::getregs(process).unwrap();
        self.count += 1;
        let flags = match registers.orig_rax {
            OPEN => registers.rsi,
            OPENAT => registers.rdx,
            _ => 0,
        };
        let name = REMARKABLE.iter().find(|(_, number)| *number == registers.orig_rax);
        if let Some((name, _)) = name {
            self.calls.push((*name).to_owned());
        } else if flags & NOT_FOR_READING != 0 {
            self.calls.push(format!("open {flags:#o}"));
        }
    }
}
