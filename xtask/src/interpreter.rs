//! The program's own interpreter: which it is, and how lode comes to stand in its place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};
use object::LittleEndian;
use object::elf::{FileHeader64, PT_INTERP, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

/// Where a file keeps its PT_INTERP string, and what it says.
pub struct Interpreter {
    /// File offset of the string, in bytes.
    offset: usize,
    /// Room for the string in bytes, its final NUL included.
    room: usize,
    /// The string itself.
    pub path: PathBuf,
}

impl Interpreter {
    /// Reads PT_INTERP (gABI, "Program Interpreter") of an ELF file.
    ///
    /// # Errors
    /// Not a 64-bit little-endian ELF file, or it names no interpreter.
    pub fn of(bytes: &[u8]) -> Result<Interpreter> {
        let header = FileHeader64::<LittleEndian>::parse(bytes).context("not an ELF file")?;
        let endian = header.endian().context("not a little-endian ELF file")?;
        let segments: &[ProgramHeader64<LittleEndian>] = header.program_headers(endian, bytes)?;
        let segment = segments
            .iter()
            .find(|segment| segment.p_type(endian) == PT_INTERP)
            .context("it names no interpreter: a static program or a library")?;
        let text = segment
            .interpreter(endian, bytes)?
            .context("its interpreter is no string")?;
        Ok(Interpreter {
            offset: usize::try_from(segment.p_offset(endian))?,
            room: usize::try_from(segment.p_filesz(endian))?,
            path: PathBuf::from(String::from_utf8(text.to_vec())?),
        })
    }

    /// Puts `path` in the place of the interpreter's name, in the bytes that this value was read from.
    ///
    /// # Errors
    /// `path` does not fit into the room that the old name leaves.
    pub fn replace(&self, bytes: &mut [u8], path: &Path) -> Result<()> {
        let name = path.as_os_str().as_encoded_bytes();
        let place = bytes
            .get_mut(self.offset..self.offset.saturating_add(self.room))
            .context("PT_INTERP lies outside the file")?;
        if name.len() >= place.len() {
            bail!("{} does not fit into {} bytes", path.display(), self.room);
        }
        for (index, byte) in place.iter_mut().enumerate() {
            *byte = name.get(index).copied().unwrap_or(0);
        }
        Ok(())
    }
}

/// Moves this process into a mount namespace of its own, in which `loader` lies over `interpreter`.
/// Without privilege a user namespace gives the right to do so (user_namespaces(7)).
///
/// # Errors
/// The kernel or its administrator allows no such namespace, or the bind mount fails.
pub fn cover(interpreter: &Path, loader: &Path) -> Result<()> {
    let (user, group) = (getuid(), getgid());
    let mut flags = CloneFlags::CLONE_NEWNS;
    if !user.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).context("no private mount namespace")?;
    if !user.is_root() {
        // An unprivileged process may map only itself, and its group only after giving up setgroups(2).
        fs::write("/proc/self/setgroups", "deny").context("/proc/self/setgroups")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1")).context("/proc/self/uid_map")?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1")).context("/proc/self/gid_map")?;
    }
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).context("cannot make the mounts private")?;
    let target = interpreter
        .canonicalize()
        .with_context(|| format!("cannot find {}", interpreter.display()))?;
    mount(Some(loader), &target, NONE, MsFlags::MS_BIND, NONE)
        .with_context(|| format!("cannot bind {} over {}", loader.display(), target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_file() -> Vec<u8> {
        fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn a_replaced_interpreter_reads_back() {
        let mut bytes = own_file();
        let interpreter = Interpreter::of(&bytes).unwrap();
        assert!(interpreter.path.is_absolute());
        interpreter.replace(&mut bytes, Path::new("/tmp/l/ld")).unwrap();
        assert_eq!(Interpreter::of(&bytes).unwrap().path, Path::new("/tmp/l/ld"));
    }

    #[test]
    fn a_path_longer_than_the_room_is_refused() {
        let mut bytes = own_file();
        let interpreter = Interpreter::of(&bytes).unwrap();
        let long = PathBuf::from(format!("/{}", "x".repeat(interpreter.room)));
        assert!(interpreter.replace(&mut bytes, &long).is_err());
        assert_eq!(bytes, own_file());
    }

    #[test]
    fn a_file_that_is_not_elf_has_no_interpreter() {
        assert!(Interpreter::of(b"#!/bin/sh\n").is_err());
    }
}
