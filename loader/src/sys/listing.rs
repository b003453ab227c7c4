//! What a directory has, read at once.
//!
//! A program whose RUNPATH names a directory for each package has each library looked for in all of them: a failing open(2) each. Two calls tell all names
//! of such a directory. They tell the truth only where a name that is not listed cannot be opened, so only file systems of which that is known are asked; and a
//! process under a seccomp filter is left with the calls that every loader makes.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::{AtomicU8, Ordering};

use crt::syscall as call;

use super::linux::{Linux, path_buffer, with_path};
use crate::elf::FileOffset;
use crate::world::Host;

/// File systems that list every name which they open, by `f_type` (statfs(2), linux/magic.h): tmpfs, the ext family, xfs, btrfs, overlay, squashfs, erofs, f2fs, zfs,
/// bcachefs.
const HONEST: [u64; 10] = [
    0x0102_1994,
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x794c_7630,
    0x7371_7368,
    0xe0f5_e1e2,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
];

/// Whether calls are filtered: 0 as long as that is not known, then one of the others.
static FILTER: AtomicU8 = AtomicU8::new(0);
/// They are, or it cannot be known.
const FILTERED: u8 = 1;
/// They are not.
const FREE: u8 = 2;

/// See [`Host::names_in`].
pub fn names_in(linux: &Linux, directory: &[u8]) -> Option<Vec<u8>> {
    if FILTER.load(Ordering::Relaxed) == 0 {
        let filter = if is_free(linux) == Some(true) { FREE } else { FILTERED };
        FILTER.store(filter, Ordering::Relaxed);
    }
    if FILTER.load(Ordering::Relaxed) == FILTERED {
        return None;
    }
    let mut descriptor = -1;
    let mut open = |path: &CStr| {
        descriptor = call::openat(
            call::AT_FDCWD,
            path,
            call::O_RDONLY | call::O_CLOEXEC | call::O_DIRECTORY,
            0,
        )?;
        Ok(())
    };
    with_path(directory, &mut open).ok()?;
    let names = listed(descriptor);
    let _ = call::close(descriptor);
    names
}

/// The names of an open directory.
fn listed(descriptor: i32) -> Option<Vec<u8>> {
    if !HONEST.contains(&call::file_system(descriptor).ok()?) {
        return None;
    }
    // About a hundred names; more are not worth reading.
    let mut buffer = path_buffer()?;
    let length = call::getdents64(descriptor, &mut buffer).ok()?;
    // Where there are more, there is no room for one.
    if call::getdents64(descriptor, &mut [0; 8]) != Ok(0) {
        return None;
    }
    let mut names = Vec::new();
    let mut rest = buffer.get(..length)?;
    // struct linux_dirent64 (getdents(2)): 16 bytes of numbers, its length, its type, its name.
    while let Some((entry, after)) = length_of(rest).and_then(|length| rest.split_at_checked(length)) {
        let name = CStr::from_bytes_until_nul(entry.get(19..)?).ok()?;
        // What such letters are in another case is the file system's to say.
        if !name.to_bytes().is_ascii() {
            return None;
        }
        names.extend_from_slice(name.to_bytes_with_nul());
        rest = after;
    }
    rest.is_empty().then_some(names)
}

fn length_of(entry: &[u8]) -> Option<usize> {
    let bytes = entry.get(16..)?.first_chunk()?;
    Some(usize::from(u16::from_ne_bytes(*bytes))).filter(|length| *length != 0)
}

/// Whether the kernel says that this process may make any call (proc(5), Seccomp).
fn is_free(linux: &Linux) -> Option<bool> {
    const WORDS: &[u8] = b"\nSeccomp:\t0\n";
    let file = linux.open(b"/proc/self/status").ok()?;
    let mut text = path_buffer()?;
    let length = linux.read(&file, FileOffset(0), &mut text).ok()?;
    Some(text.get(..length)?.windows(WORDS.len()).any(|words| words == WORDS))
}
