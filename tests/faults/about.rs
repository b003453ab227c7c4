//! What a system call that fails was about: the file that a text has to name, or the memory that it was for.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use nix::libc::user_regs_struct;
use nix::unistd::Pid;

/// What a call was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A file, by the name that it was opened by or has, without folders.
    File(String),
    /// Memory that is no file's.
    Memory,
    /// The process itself: its thread pointer, its limits, its kernel.
    Process,
}

/// Who owns the addresses of a process, as its calls tell one after another.
#[derive(Default)]
pub struct Places(Vec<(u64, u64, About)>);

const MMAP: u64 = 9;
const MAP_FIXED: u64 = 0x10;
/// What mmap(2) is given in place of a descriptor.
const NO_DESCRIPTOR: i32 = -1;
/// Calls whose first argument is a descriptor.
const OF_DESCRIPTORS: &[u64] = &[0, 3, 5, 8, 17, 72];
/// Calls whose first argument is a path, and those that have it behind a descriptor.
const OF_PATHS: &[u64] = &[21, 89];
const OF_PATHS_AT: &[u64] = &[257, 262, 267, 269, 332, 439];
/// Calls whose first argument is an address: those that protect, unmap, move, advise and seal.
const OF_ADDRESSES: &[u64] = &[10, 11, 25, 28, 462];
const BRK: u64 = 12;

impl Places {
    /// What the kernel has mapped before the first instruction. What follows a file's part directly is its zeros.
    pub fn read(process: Pid) -> Places {
        let mut places = Places::default();
        for line in fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some((start, end)) = words[0].split_once('-') else {
                continue;
            };
            let number = |digits| u64::from_str_radix(digits, 16).unwrap();
            let (start, end) = (number(start), number(end));
            let about = match (words.get(5), places.0.last()) {
                (Some(path), _) if path.starts_with('/') => About::File(base_name(path)),
                (None, Some((_, last, about))) if *last == start => about.clone(),
                _ => About::Memory,
            };
            places.0.push((start, end, about));
        }
        places
    }

    /// What a call that is about to be made is about.
    pub fn of(&self, call: &user_regs_struct, process: Pid) -> About {
        let number = call.orig_rax;
        let fixed = number == MMAP && call.r10 & MAP_FIXED != 0;
        if number == MMAP && call.r8 as i32 != NO_DESCRIPTOR {
            opened(process, call.r8)
        } else if fixed || OF_ADDRESSES.contains(&number) {
            let holds = |(start, end, _): &&(u64, u64, About)| (*start..*end).contains(&call.rdi);
            self.0
                .iter()
                .rev()
                .find(holds)
                .map_or(About::Memory, |(_, _, about)| about.clone())
        } else if number == MMAP || number == BRK {
            About::Memory
        } else if OF_DESCRIPTORS.contains(&number) {
            opened(process, call.rdi)
        } else if OF_PATHS.contains(&number) {
            About::File(base_name(&string(process, call.rdi)))
        } else if OF_PATHS_AT.contains(&number) {
            match string(process, call.rsi) {
                path if path.is_empty() => opened(process, call.rdi),
                path => About::File(base_name(&path)),
            }
        } else {
            About::Process
        }
    }

    /// Notes what a call that has been made has mapped.
    pub fn note(&mut self, call: &user_regs_struct, about: About) {
        // Inside of a range of its owner's, nothing new has begun.
        let is_new = call.orig_rax == MMAP && call.r10 & MAP_FIXED == 0;
        if is_new && call.rax.cast_signed() > 0 {
            self.0.push((call.rax, call.rax + call.rsi, about));
        }
    }
}

/// The file behind a descriptor.
fn opened(process: Pid, descriptor: u64) -> About {
    let link = fs::read_link(format!("/proc/{process}/fd/{}", descriptor as i32));
    link.map_or(About::Process, |path| About::File(base_name(&path.to_string_lossy())))
}

fn base_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The string at an address.
fn string(process: Pid, address: u64) -> String {
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut bytes = Vec::new();
    let mut byte = [0];
    while memory.read_exact_at(&mut byte, address + bytes.len() as u64).is_ok() && byte != [0] {
        bytes.push(byte[0]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
