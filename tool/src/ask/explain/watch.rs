//! A start that is watched: the program under ld-lode, with the event stream on a socket, looked at wherever the loader stops.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

use super::stream::{Reader, Record, What};

/// A line of `/proc/PID/maps` (proc_pid_maps(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// First address
    pub start: u64,
    /// Address behind the last
    pub end: u64,
    /// `r-xp`, …
    pub access: String,
    /// Where it begins in the file
    pub offset: u64,
    /// The file, `[stack]`, or nothing
    pub name: String,
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// With a status
    Status(i32),
    /// By a signal
    Signal(i32),
    /// It was not let into the program
    Held,
    /// The one who asked had enough: by this signal to lode-tool
    Interrupted(i32),
}

/// What was seen of a process.
pub struct Seen {
    /// All that it told
    pub records: Vec<Record>,
    /// How it ended
    pub ending: Ending,
    /// Whether it went on when it told nothing any more, because code of the program closed the stream or started another program
    pub is_cut: bool,
}

/// A process that waits for its watcher, or has just told something.
pub struct Process {
    number: u32,
    /// What the kernel called it at its last stop
    name: RefCell<String>,
}

impl Process {
    /// What is mapped now.
    pub fn maps(&self) -> Vec<Mapping> {
        let text = fs::read_to_string(format!("/proc/{}/maps", self.number)).unwrap_or_default();
        text.lines().filter_map(mapping).collect()
    }

    /// What the kernel calls it, and the flags in the ninth field (proc_pid_stat(5)).
    fn state(&self) -> Option<(String, u64)> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.number)).ok()?;
        let (name, fields) = text.rsplit_once(')')?;
        let flags = fields.split_whitespace().nth(6)?.parse().ok()?;
        Some((name.split_once('(')?.1.to_owned(), flags))
    }

    /// It has stopped, before code of the program runs.
    fn stopped(&self) {
        if let Some((name, _)) = self.state() {
            self.name.replace(name);
        }
    }

    /// Whether it is another program meanwhile, or not about to end: the kernel says of a process that ends that it does before it closes its files.
    fn goes_on(&self) -> bool {
        /// PF_EXITING
        const EXITING: u64 = 4;
        self.state()
            .is_some_and(|(name, flags)| flags & EXITING == 0 || name != *self.name.borrow())
    }

    /// `length` bytes of its memory.
    pub fn memory(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let file = fs::File::open(format!("/proc/{}/mem", self.number)).ok()?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let access = words.next()?.to_owned();
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Mapping {
        start: number(start)?,
        end: number(end)?,
        access,
        offset: number(words.next()?)?,
        name: words.nth(2).unwrap_or_default().trim_start().to_owned(),
    })
}

/// What is to be run.
pub struct Wish<'a> {
    /// ld-lode
    pub loader: &'a Path,
    /// Its own switches
    pub switches: Vec<String>,
    /// The program and its arguments
    pub command: &'a [OsString],
    /// Whether the program writes where lode-tool's errors go, because the answer goes to standard output
    pub apart: bool,
}

/// Where the loader stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A stage is over
    Stage(u64),
    /// The jump is next
    Jump,
}

/// Runs a program; `stop` is called wherever the loader stops, with all that was told so far, and says whether it goes on.
///
/// # Errors
/// The loader cannot be started, or `stop` fails: the process is killed then.
pub fn watch(wish: &Wish<'_>, mut stop: impl FnMut(Stop, &[Record], &Process) -> Result<bool>) -> Result<Seen> {
    let (ours, theirs) = UnixStream::pair().context("no pair of sockets")?;
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).context("the socket cannot be handed on")?;
    let mut command = Command::new(wish.loader);
    command.args(["--events", &theirs.as_raw_fd().to_string()]);
    command.args(&wish.switches).arg("--").args(wish.command);
    if wish.apart {
        let errors = std::io::stderr().as_fd().try_clone_to_owned();
        command.stdout(Stdio::from(errors.context("standard error is closed")?));
    }
    let interruption = Interruption::expect()?;
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", wish.loader.display()))?;
    drop(theirs);
    let process = Process {
        number: child.id(),
        name: RefCell::default(),
    };
    interruption.ends(child.id());
    let mut told = Vec::new();
    let ending = match listen(&ours, &process, &mut told, &mut stop) {
        Ok(true) => None,
        Ok(false) => Some(Ending::Held),
        Err(_) if interruption.signal().is_some() => None,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    if ending.is_some() {
        child.kill().context("the process cannot be ended")?;
    }
    let is_cut = ending.is_none() && interruption.signal().is_none() && process.goes_on();
    let status = child.wait().context("the process cannot be waited for")?;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Status(code),
        (None, signal) => Ending::Signal(signal.unwrap_or(0)),
    };
    let interrupted = interruption.signal().map(Ending::Interrupted);
    // A thread may have had a name of its own when it was killed.
    let is_cut = is_cut && !matches!(how, Ending::Signal(_));
    Ok(Seen {
        records: told,
        ending: ending.or(interrupted).unwrap_or(how),
        is_cut,
    })
}

/// Signals that mean that somebody had enough: they end the program too, and what was seen until then is told.
struct Interruption {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The process that goes with us, 0 while there is none
    child: AtomicI32,
    /// The signal that came, 0 before
    signal: AtomicI32,
}

/// How long the answer may take once somebody had enough.
const PATIENCE: Duration = Duration::from_secs(5);

impl Interruption {
    /// From now on SIGINT, SIGTERM and SIGHUP come to a thread of their own. Processes that are started get them as ever: the standard library starts
    /// them with no signal blocked.
    fn expect() -> Result<Interruption> {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block().context("signals cannot be waited for")?;
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            let Ok(signal) = signals.wait() else { return };
            ours.signal.store(signal as i32, Ordering::SeqCst);
            kill_child(&ours);
            // The terminal may be waited for, or the process hang in the kernel.
            std::thread::sleep(PATIENCE);
            std::process::exit(128 + signal as i32);
        });
        Ok(Interruption { shared })
    }

    /// Names the process that goes with us.
    fn ends(&self, child: u32) {
        self.shared.child.store(child.cast_signed(), Ordering::SeqCst);
        if self.signal().is_some() {
            kill_child(&self.shared);
        }
    }

    fn signal(&self) -> Option<i32> {
        Some(self.shared.signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }
}

fn kill_child(shared: &Shared) {
    let child = shared.child.load(Ordering::SeqCst);
    if child > 0 {
        let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
    }
}

/// The loader's clock, in nanoseconds.
fn monotonic_time() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Takes events until the stream ends; `false` when the process is not to go on.
fn listen(
    stream: &UnixStream,
    process: &Process,
    told: &mut Vec<Record>,
    stop: &mut impl FnMut(Stop, &[Record], &Process) -> Result<bool>,
) -> Result<bool> {
    let mut lines = BufReader::new(stream);
    let mut reader = Reader::default();
    let mut line = Vec::new();
    // Time that the loader spent waiting for us is not the start's.
    let mut held = 0;
    loop {
        line.clear();
        // A process that dies in the middle of a line ends the stream.
        if lines.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return Ok(true);
        }
        let text = String::from_utf8_lossy(&line);
        let Some(mut record) = reader.line(text.trim_end_matches('\n')) else {
            continue;
        };
        let stopped = record.time;
        record.time = stopped.saturating_sub(held);
        let at = match &record.what {
            What::Stage { number } => Some(Stop::Stage(*number)),
            What::Transferring { .. } => Some(Stop::Jump),
            _ => None,
        };
        told.push(record);
        if let Some(at) = at {
            process.stopped();
            if !stop(at, told, process)? {
                return Ok(false);
            }
            let mut answer: &UnixStream = stream;
            held += monotonic_time().saturating_sub(stopped);
            // It may have died meanwhile; then the stream ends.
            let _ = answer.write_all(b"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_may_have_no_name_and_a_name_with_spaces() {
        let named = mapping("7f0000-7f1000 r-xp 00002000 fe:01 123                        /a b/c (deleted)").unwrap();
        assert_eq!((named.start, named.end, named.offset), (0x7f_0000, 0x7f_1000, 0x2000));
        assert_eq!(
            (named.access.as_str(), named.name.as_str()),
            ("r-xp", "/a b/c (deleted)")
        );
        assert_eq!(mapping("1000-2000 rw-p 00000000 00:00 0 ").unwrap().name, "");
        assert_eq!(mapping("x"), None);
    }
}
