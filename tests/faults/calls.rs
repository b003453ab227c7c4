//! Every system call of a start, and of a `dlopen` at run time, fails in every way that its manual page names, once and for good.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use super::about::About;
use super::run::{Fault, Outcome, Run};
use super::stand::{Stand, Verdict, judge, shortened};
use super::stride;

/// How a call can fail: a name for people, its number (x86-64, `syscall_64.tbl`), and the outcomes.
type Row = (&'static str, u64, &'static [Outcome]);

use Outcome::{Answers, Fails, Returns, Short};

/// The errors are those of the manual pages that have nothing to do with wrong arguments, and ENOSYS and EPERM, which filters answer (seccomp(2)).
const ROWS: &[Row] = &[
    ("read", 0, READS),
    ("close", 3, &[Answers(Errno::EIO), Answers(Errno::EINTR)]),
    (
        "fstat",
        5,
        &[Fails(Errno::EIO), Fails(Errno::EOVERFLOW), Fails(Errno::ENOSYS)],
    ),
    ("lseek", 8, &[Fails(Errno::ESPIPE)]),
    (
        "mmap",
        9,
        &[
            Fails(Errno::ENOMEM),
            Fails(Errno::EAGAIN),
            Fails(Errno::EPERM),
            Fails(Errno::ENODEV),
        ],
    ),
    ("mprotect", 10, &[Fails(Errno::ENOMEM), Fails(Errno::EACCES)]),
    ("munmap", 11, &[Fails(Errno::ENOMEM)]),
    ("brk", 12, &[Returns(0)]),
    ("pread64", 17, READS),
    ("access", 21, &[Fails(Errno::EACCES), Fails(Errno::EIO)]),
    ("pipe2", 293, &[Fails(Errno::EMFILE)]),
    ("mremap", 25, &[Fails(Errno::ENOMEM)]),
    ("madvise", 28, &[Fails(Errno::EINVAL), Fails(Errno::EAGAIN)]),
    ("uname", 63, &[Fails(Errno::EFAULT)]),
    ("fcntl", 72, &[Fails(Errno::EINVAL)]),
    ("getcwd", 79, &[Fails(Errno::ERANGE), Fails(Errno::ENOENT)]),
    ("readlink", 89, &[Fails(Errno::EACCES), Fails(Errno::ENOENT)]),
    ("prctl", 157, &[Fails(Errno::EINVAL)]),
    ("arch_prctl", 158, &[Fails(Errno::EPERM), Fails(Errno::EINVAL)]),
    ("set_tid_address", 218, &[Fails(Errno::ENOSYS)]),
    (
        "openat",
        257,
        &[
            Fails(Errno::EMFILE),
            Fails(Errno::ENFILE),
            Fails(Errno::EACCES),
            Fails(Errno::EINTR),
            Fails(Errno::EIO),
            Fails(Errno::ELOOP),
            Fails(Errno::ENOENT),
            Fails(Errno::ENOMEM),
        ],
    ),
    ("newfstatat", 262, &[Fails(Errno::EIO), Fails(Errno::ENOMEM)]),
    ("readlinkat", READLINKAT, &[Fails(Errno::EACCES), Fails(Errno::ENOMEM)]),
    ("faccessat", 269, &[Fails(Errno::EACCES), Fails(Errno::EIO)]),
    ("set_robust_list", 273, &[Fails(Errno::ENOSYS)]),
    ("prlimit64", 302, &[Fails(Errno::EPERM)]),
    (
        "getrandom",
        318,
        &[Fails(Errno::ENOSYS), Fails(Errno::EAGAIN), Short(1)],
    ),
    ("statx", 332, &[Fails(Errno::EIO)]),
    ("rseq", 334, &[Fails(Errno::ENOSYS), Fails(Errno::EPERM)]),
    (
        "faccessat2",
        439,
        &[Fails(Errno::ENOSYS), Fails(Errno::EACCES), Fails(Errno::EIO)],
    ),
    ("mseal", 462, &[Fails(Errno::EPERM), Fails(Errno::ENOSYS)]),
];

const READS: &[Outcome] = &[
    Fails(Errno::EIO),
    Fails(Errno::EINTR),
    Fails(Errno::EISDIR),
    Returns(0),
    Short(1),
    Short(64),
    Short(500),
];

/// By which the program's folder is asked for.
const READLINKAT: u64 = 267;

/// Calls that end the process, make threads or wait for them, or end a signal handler: nothing of the loader's.
const LEFT_OUT: &[u64] = &[13, 14, 15, 24, 39, 56, 59, 60, 202, 219, 231, 234, 435];

/// All faults that the calls of a run can meet.
fn faults(calls: &[u64], lasts: bool) -> Vec<(&'static str, Fault)> {
    let mut counts = BTreeMap::new();
    for number in calls {
        *counts.entry(*number).or_insert(0) += 1;
    }
    let mut faults = Vec::new();
    for (number, count) in counts {
        if LEFT_OUT.contains(&number) {
            continue;
        }
        let row = ROWS.iter().find(|row| row.1 == number);
        let (name, _, outcomes) = row.unwrap_or_else(|| panic!("how can system call {number} fail?"));
        for outcome in *outcomes {
            // What is interrupted or busy for ever is retried for ever.
            if lasts && [Fails(Errno::EINTR), Fails(Errno::EAGAIN), Answers(Errno::EINTR)].contains(outcome) {
                continue;
            }
            let outcome = *outcome;
            faults.extend((0..count).map(|nth| {
                let fault = Fault {
                    number,
                    nth,
                    lasts,
                    outcome,
                };
                (*name, fault)
            }));
        }
    }
    faults
}

/// Whether a text gives the reason: strerror(3)'s words.
fn names_reason(text: &str, outcome: Outcome) -> bool {
    let of = |errno: Errno| io::Error::from(errno).to_string();
    match outcome {
        Fails(errno) | Answers(errno) => text.contains(of(errno).split(" (os error").next().unwrap()),
        // brk(2) has no other failure.
        Returns(_) | Short(_) => [
            "too short",
            "invalid ELF header",
            "after the end of the file",
            "annot allocate memory",
        ]
        .iter()
        .any(|words| text.contains(words)),
    }
}

/// Whether a text says what a call was about: the name of the file, or what the memory was for.
fn names(text: &str, about: &About) -> bool {
    let words: &[&str] = match about {
        // Where the program's folder is not known, what is looked for there is not found, and named.
        About::File(name) if name == "exe" => &["liblibrary.so: ", "libbare.so: "],
        About::File(name) => &[name],
        About::Memory => &[
            "cannot create shared object descriptor",
            "cannot create TLS data structures",
        ],
        About::Process => &["thread-local storage", "cannot create TLS data structures"],
    };
    words.iter().any(|words| text.contains(words))
}

/// Lets every call of a program fail, or every few.
fn inject(run: &Run, stride: usize) {
    let run = Run {
        is_watched: true,
        ..run.clone()
    };
    let sound = run.go();
    assert_eq!(judge(&sound), Ok(Verdict::Ran), "{run:?}");
    let mut wrong = Vec::new();
    let (mut all, mut told) = (0, 0);
    for lasts in [false, true] {
        let faults = faults(&sound.calls, lasts);
        for (name, fault) in faults.into_iter().step_by(stride) {
            let mut run = run.clone();
            run.fault = Some(fault);
            let left = run.go();
            all += 1;
            match judge(&left) {
                Ok(Verdict::Ran) => {}
                Ok(Verdict::Told) => {
                    told += 1;
                    let is_named = left.met.iter().any(|about| names(&left.errors, about));
                    let is_folder = fault.number == READLINKAT;
                    let outcome = if is_folder { Fails(Errno::ENOENT) } else { fault.outcome };
                    if !is_named || !names_reason(&left.errors, outcome) {
                        wrong.push(format!("{name} {fault:?} {:?}: {}", left.met, shortened(&left.errors)));
                    }
                }
                Ok(other) => wrong.push(format!("{name} {fault:?}: {other:?}")),
                Err(why) => wrong.push(format!("{name} {fault:?}: {why}")),
            }
        }
    }
    println!("{all} faults, {told} told, {} wrong", wrong.len());
    assert!(
        wrong.is_empty(),
        "{} of {all} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(told > 0 && all * stride > 20, "{told} of {all}");
}

#[test]
fn a_start_without_libc_survives_every_fault() {
    let Some(stand) = Stand::open() else { return };
    let program = stand.bare();
    for run in stand.ways(&[program]) {
        inject(&run, 1);
    }
}

#[test]
fn a_start_with_libc_survives_every_fault() {
    let Some(stand) = Stand::open() else { return };
    let program = stand.program();
    for run in stand.ways(&[program]) {
        inject(&run, 1);
    }
}

#[test]
fn a_dlopen_survives_every_fault_beside_other_threads() {
    let Some(stand) = Stand::open() else { return };
    let program: Vec<PathBuf> = stand.opener();
    let [_, mut run] = stand.ways(&program);
    run.between_writes = true;
    inject(&run, 1);
}

#[test]
fn a_dlopen_survives_every_fault_beside_signals_and_forks() {
    let Some(stand) = Stand::open() else { return };
    let mut program: Vec<PathBuf> = stand.opener();
    program[0] = stand.compile("storm.c", "storm", &["-pthread"]);
    let [_, mut run] = stand.ways(&program);
    run.between_writes = true;
    inject(&run, stride(6));
}
