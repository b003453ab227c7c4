//! `--restore`: puts back the loader that lode replaced. System calls and nothing else: when this is needed, no dynamic program may be
//! able to run.
//!
//! `lode-tool install` leaves what this relies on (docs/install.md). Beside lode stands the original. Where dpkg sends its updates to that
//! file, there is a symbolic link to it as well, and the link is what takes lode's place: it leads to the package's loader after an update too.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use crt::syscall as call;

use crate::error::Errno;
use crate::sys::c_string;

/// Where programs ask for the loader, in PT_INTERP.
const LOADER: &[u8] = b"/lib64/ld-linux-x86-64.so.2";
/// Links that are followed from [`LOADER`] on: as many as the kernel would follow.
const LINKS: usize = 40;

/// Puts the original back into the tree at `root`, or into the running system. Returns the loader's path in that tree, and why it is still lode.
pub fn restore(root: Option<&[u8]>) -> (Vec<u8>, Result<(), Errno>) {
    let mut path = LOADER.to_vec();
    if let Some(root) = root
        && let Err(errno) = call::chroot(c_string(root))
    {
        return (path, Err(errno));
    }
    follow(&mut path);
    let result = replace(&path, b"lode-restore.").or_else(|_| replace(&path, b"lode-original."));
    (path, result)
}

/// Renames the file whose name is that of `path` behind `start` to `path`, if it leads to a file.
fn replace(path: &[u8], start: &[u8]) -> Result<(), Errno> {
    let (folder, name) = path.split_at_checked(name_at(path)).unwrap_or_default();
    let other = c_string(&[folder, start, name].concat());
    call::access(other, call::F_OK)?;
    call::rename(other, c_string(path))
}

/// Where the last part of an absolute path begins.
fn name_at(path: &[u8]) -> usize {
    path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1)
}

/// Replaces a path by what it leads to, if its last part is a symbolic link.
fn follow(path: &mut Vec<u8>) {
    let mut buffer = [0; 256];
    for _ in 0..LINKS {
        // Whatever is wrong with the path, looking for the original will tell.
        let Ok(target) = call::readlinkat(call::AT_FDCWD, c_string(path), &mut buffer) else {
            return;
        };
        let relative = target.first() != Some(&b'/');
        path.truncate(if relative { name_at(path) } else { 0 });
        path.extend_from_slice(target);
    }
}
