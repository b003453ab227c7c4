//! What an image is to have, by its paths there, before anything of it is written.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::tree::Tree;

/// What is kept of a file's mode: who may read, write and execute it. Set-user-ID programs are not lode's.
const PERMISSIONS: u32 = 0o777;
/// The same of a folder, with the bit that `/tmp` has.
const FOLDER_PERMISSIONS: u32 = 0o1777;
/// Folders that no source has.
const NEW_FOLDER: u32 = 0o755;

/// One name of an image.
#[derive(Debug)]
pub enum Entry {
    /// A folder with this mode
    Folder(u32),
    /// A symbolic link, as it is in the source
    Link(PathBuf),
    /// A file with this mode
    File(Source, u32),
}

/// Where a file's bytes are.
#[derive(Debug)]
pub enum Source {
    /// In this file of the running system
    Path(PathBuf),
    /// Here
    Bytes(Vec<u8>),
}

/// The names of an image: absolute, each behind the folder that it is in.
#[derive(Debug, Default)]
pub struct Contents {
    entries: BTreeMap<PathBuf, Entry>,
    /// Files that had a bit for another user's rights
    privileged: Vec<PathBuf>,
}

impl Contents {
    /// Adds what `path` of a tree leads to, with the folders and links on the way; returns where that is. A folder comes without what is in it.
    ///
    /// # Errors
    /// Nothing is there, or it is a device, a pipe or a socket.
    pub fn add(&mut self, tree: &Tree, path: &Path) -> Result<PathBuf> {
        let mut way = Vec::new();
        let traced = tree.trace(path, &mut |path, metadata| {
            way.push((path.to_owned(), metadata.clone()))
        });
        let real = traced?;
        for (path, metadata) in way {
            self.name(tree, &path, &metadata)?;
        }
        Ok(real)
    }

    /// Adds one name of a tree. What is there already stays.
    fn name(&mut self, tree: &Tree, path: &Path, metadata: &Metadata) -> Result<()> {
        if self.entries.contains_key(path) {
            return Ok(());
        }
        let outside = tree.outside(path);
        let mode = metadata.permissions().mode();
        let kind = metadata.file_type();
        let entry = match () {
            () if kind.is_dir() => Entry::Folder(mode & FOLDER_PERMISSIONS),
            () if kind.is_symlink() => Entry::Link(fs::read_link(&outside)?),
            () if kind.is_file() => {
                if mode & 0o6000 != 0 {
                    self.privileged.push(path.to_owned());
                }
                Entry::File(Source::Path(outside), mode & PERMISSIONS)
            }
            () => bail!("neither a file nor a folder nor a link"),
        };
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// Puts a file at a path, whatever the tree has there itself; the folders above it are the tree's, or new. Returns where it is then.
    ///
    /// # Errors
    /// A file of the tree is where a folder would have to be.
    pub fn put(&mut self, tree: &Tree, path: &Path, bytes: Vec<u8>, mode: u32) -> Result<PathBuf> {
        let name = path
            .file_name()
            .with_context(|| format!("{}: no name of a file", path.display()))?;
        let folder = self.folder(tree, path.parent().unwrap_or(Path::new("/")))?;
        let place = folder.join(name);
        self.entries
            .insert(place.clone(), Entry::File(Source::Bytes(bytes), mode));
        Ok(place)
    }

    /// Adds a folder, the tree's as far as it has it.
    fn folder(&mut self, tree: &Tree, path: &Path) -> Result<PathBuf> {
        let mut place = PathBuf::from("/");
        for part in path.components() {
            let next = match part {
                Component::Normal(name) => place.join(name),
                _ => continue,
            };
            place = match fs::symlink_metadata(tree.outside(&next)) {
                Ok(_) => self.add(tree, &next)?,
                Err(_) => next,
            };
            let entry = self.entries.entry(place.clone()).or_insert(Entry::Folder(NEW_FOLDER));
            if !matches!(entry, Entry::Folder(_)) {
                bail!("{} would have to be a folder", place.display());
            }
        }
        Ok(place)
    }

    /// Adds a link that leads to nothing.
    ///
    /// # Errors
    /// It is none.
    pub fn add_link(&mut self, tree: &Tree, path: &Path) -> Result<()> {
        let outside = tree.outside(path);
        let metadata = fs::symlink_metadata(&outside).with_context(|| outside.display().to_string())?;
        self.name(tree, path, &metadata)
    }

    /// Takes a name out.
    pub fn remove(&mut self, path: &Path) {
        self.entries.remove(path);
    }

    /// Gives a file that is there other bytes.
    pub fn change(&mut self, path: &Path, bytes: Vec<u8>) {
        if let Some(Entry::File(source, _)) = self.entries.get_mut(path) {
            *source = Source::Bytes(bytes);
        }
    }

    /// Whether the image has a name.
    pub fn has(&self, path: &Path) -> bool {
        self.entries.contains_key(path)
    }

    /// Whether the image has a file or link of this name, wherever.
    pub fn has_named(&self, name: &str) -> bool {
        self.entries
            .keys()
            .any(|path| path.file_name().is_some_and(|one| one == name))
    }

    /// All names, folders before what is in them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// Files whose bit for another user's rights is left out.
    pub fn privileged(&self) -> &[PathBuf] {
        &self.privileged
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.iter()
            .filter(|(_, entry)| matches!(entry, Entry::File(..)))
            .count()
    }

    /// Writes all into a folder that is empty; every time becomes `time`, in seconds since 1970. Returns the bytes of all files.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn write(&self, root: &Path, time: i64) -> Result<u64> {
        let mut bytes = 0;
        for (path, entry) in self.iter() {
            let place = outside(root, path);
            let context = || format!("cannot write {}", place.display());
            match entry {
                Entry::Folder(_) if path == Path::new("/") => {}
                Entry::Folder(_) => fs::create_dir(&place).with_context(context)?,
                Entry::Link(target) => symlink(target, &place).with_context(context)?,
                Entry::File(source, mode) => {
                    bytes += source.write(&place)?;
                    fs::set_permissions(&place, fs::Permissions::from_mode(*mode)).with_context(context)?;
                }
            }
        }
        // A folder's time changes with what comes into it, and its mode may forbid that anything does.
        let time = TimeSpec::new(time, 0);
        for (path, entry) in self.iter().rev() {
            let place = outside(root, path);
            if let Entry::Folder(mode) = entry {
                fs::set_permissions(&place, fs::Permissions::from_mode(*mode))?;
            }
            utimensat(AT_FDCWD, &place, &time, &time, UtimensatFlags::NoFollowSymlink)
                .with_context(|| format!("cannot set the time of {}", place.display()))?;
        }
        Ok(bytes)
    }
}

/// What the running system calls a path of the image that is written to `root`.
pub fn outside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

impl Source {
    fn write(&self, place: &Path) -> Result<u64> {
        match self {
            Source::Bytes(bytes) => {
                fs::write(place, bytes).with_context(|| format!("cannot write {}", place.display()))?;
                Ok(bytes.len() as u64)
            }
            Source::Path(from) => {
                let mut file = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
                let mut new = File::create_new(place).with_context(|| format!("cannot write {}", place.display()))?;
                std::io::copy(&mut file, &mut new)
                    .with_context(|| format!("cannot copy {} to {}", from.display(), place.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use temp_dir::TempDir;

    fn tree() -> (TempDir, Tree) {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.child("usr/lib/x")).unwrap();
        fs::write(folder.child("usr/lib/x/file"), "text").unwrap();
        symlink("usr/lib", folder.child("lib")).unwrap();
        symlink("x/file", folder.child("usr/lib/name")).unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        (folder, tree)
    }

    #[test]
    fn a_path_comes_with_its_links_and_folders() {
        let (_folder, tree) = tree();
        let mut contents = Contents::default();
        let real = contents.add(&tree, Path::new("/lib/name")).unwrap();
        assert_eq!(real, Path::new("/usr/lib/x/file"));
        let names: Vec<&Path> = contents.iter().map(|(path, _)| path).collect();
        let expected = [
            "/lib",
            "/usr",
            "/usr/lib",
            "/usr/lib/name",
            "/usr/lib/x",
            "/usr/lib/x/file",
        ];
        assert_eq!(names, expected.map(Path::new));
        let image = TempDir::new().unwrap();
        assert_eq!(contents.write(image.path(), 0).unwrap(), 4);
        assert_eq!(fs::read(image.child("lib/name")).unwrap(), b"text");
    }

    #[test]
    fn what_is_put_goes_through_the_trees_links() {
        let (_folder, tree) = tree();
        let mut contents = Contents::default();
        let place = contents.put(&tree, Path::new("/lib/new/a"), b"1".to_vec(), 0o755);
        assert_eq!(place.unwrap(), Path::new("/usr/lib/new/a"));
        let place = contents.put(&tree, Path::new("/lib/name"), b"2".to_vec(), 0o755);
        assert_eq!(place.unwrap(), Path::new("/usr/lib/name"));
        let refused = contents.put(&tree, Path::new("/lib/x/file/under"), Vec::new(), 0o755);
        assert!(refused.unwrap_err().to_string().contains("would have to be a folder"));
        let image = TempDir::new().unwrap();
        contents.write(image.path(), 0).unwrap();
        assert_eq!(fs::read(image.child("usr/lib/new/a")).unwrap(), b"1");
    }

    #[test]
    fn devices_are_refused() {
        let system = Tree::open(Path::new("/")).unwrap();
        let error = Contents::default().add(&system, Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().contains("neither a file"));
    }
}
