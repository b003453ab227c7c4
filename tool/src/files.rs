//! Files that are there whole or not at all, and folders that go again.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::mkdtemp;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// Puts a file with these bytes at `place`: written as `new` in the same folder, on the disk before it gets its name, so that whoever
/// looks finds the old file or the new one. `owner` is user and group.
///
/// # Errors
/// The file cannot be written; the old one is there still.
pub fn replace(place: &Path, new: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> Result<()> {
    let context = || format!("cannot write {}", new.display());
    remove(new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(new)
        .with_context(context)?;
    file.write_all(bytes).with_context(context)?;
    if let Some((user, group)) = owner {
        fchown(&file, Some(user), Some(group)).with_context(context)?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))
        .with_context(context)?;
    file.sync_all().with_context(context)?;
    // No program starts while its loader is open for writing (ETXTBSY, execve(2)).
    drop(file);
    rename(new, place)
}

/// Renames a file in its folder, for good.
///
/// # Errors
/// The kernel's.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot replace {}", to.display()))?;
    sync_folder(to)
}

/// Removes a file that may not be there.
///
/// # Errors
/// It is there and stays.
pub fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("cannot remove {}", file.display())),
    }
}

/// Brings the names in a file's folder to the disk.
///
/// # Errors
/// The kernel's.
pub fn sync_folder(file: &Path) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync {}", folder.display()))
}

/// A new folder, of its own user alone, that is removed with this.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in `folder`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(folder: &Path) -> Result<Scratch> {
        let made = mkdtemp(&folder.join(".lode-tool-XXXXXX"));
        made.map(Scratch)
            .with_context(|| format!("cannot make a folder in {}", folder.display()))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it another name, under which it stays.
    ///
    /// # Errors
    /// The kernel's; then it is removed.
    pub fn rename(self, place: &Path) -> Result<()> {
        fs::rename(&self.0, place).with_context(|| format!("cannot make {}", place.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Folders that nobody may write to keep what is in them; the owner may change that.
        for entry in WalkDir::new(&self.0).into_iter().flatten() {
            if entry.file_type().is_dir() {
                let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700));
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    scan::hex(&Sha256::digest(bytes), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use temp_dir::TempDir;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_leaves_nothing_beside_it() {
        let folder = TempDir::new().unwrap();
        let (place, new) = (folder.child("place"), folder.child("new"));
        fs::write(&new, "left by an interruption").unwrap();
        replace(&place, &new, b"bytes", 0o711, None).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"bytes");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o711);
        assert!(!new.exists());
    }

    #[test]
    fn what_is_not_there_is_removed_already() {
        let folder = TempDir::new().unwrap();
        remove(&folder.child("gone")).unwrap();
        assert!(remove(folder.path()).is_err());
    }

    #[test]
    fn a_scratch_folder_goes_with_all_that_is_in_it_unless_it_is_renamed() {
        let folder = TempDir::new().unwrap();
        let scratch = Scratch::new(folder.path()).unwrap();
        let inside = scratch.path().join("closed");
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("file"), "").unwrap();
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o500)).unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let place = folder.child("place");
        Scratch::new(folder.path()).unwrap().rename(&place).unwrap();
        assert!(place.is_dir());
    }

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
