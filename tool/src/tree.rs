//! Paths inside a tree: a root file system that is, as a rule, not the running one. Symbolic links in it count from its own root. A relative
//! path counts from the working directory in the running system, and from the root in any other tree.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;

use crate::files::Scratch;

/// Symbolic links that are followed in one path: as many as the kernel would follow (path_resolution(7)).
const LINKS: usize = 40;

/// A root file system.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    /// Where relative paths begin, in the tree
    working: PathBuf,
    /// What people call it
    called: PathBuf,
    /// The folder, if it goes with the tree
    _kept: Option<Arc<Scratch>>,
}

impl Tree {
    /// The tree at `root`.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn open(root: &Path) -> Result<Tree> {
        let root = root
            .canonicalize()
            .with_context(|| format!("no tree at {}", root.display()))?;
        if !root.is_dir() {
            bail!("{} is not a directory", root.display());
        }
        let slash = PathBuf::from("/");
        let working = match root == slash {
            true => std::env::current_dir().context("no working directory")?,
            false => slash,
        };
        let called = root.clone();
        Ok(Tree {
            root,
            working,
            called,
            _kept: None,
        })
    }

    /// The tree in a folder that is removed when nobody has the tree any more. Answers call it `called`.
    ///
    /// # Errors
    /// As of [`Tree::open`].
    pub fn kept(folder: Scratch, called: &Path) -> Result<Tree> {
        let tree = Tree::open(folder.path())?.named(called);
        Ok(Tree {
            _kept: Some(Arc::new(folder)),
            ..tree
        })
    }

    /// The same tree, which answers call `called`.
    pub fn named(self, called: &Path) -> Tree {
        Tree {
            called: called.to_owned(),
            ..self
        }
    }

    /// What people call the tree: its root, or the image that it was unpacked from.
    pub fn called(&self) -> &Path {
        &self.called
    }

    /// The tree's root as the running system names it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the running system calls a path of the tree.
    pub fn outside(&self, inside: &Path) -> PathBuf {
        let inside = self.working.join(inside);
        self.root.join(inside.strip_prefix("/").unwrap_or(&inside))
    }

    /// Whether a path of the tree, as a search has it, leads to a directory.
    pub fn is_directory(&self, path: &[u8]) -> bool {
        self.resolve(Path::new(OsStr::from_bytes(path)))
            .is_ok_and(|path| self.outside(&path).is_dir())
    }

    /// The path of the tree, without symbolic links, that `path` leads to. It never leaves the tree: `..` ends at its root.
    ///
    /// # Errors
    /// Nothing is there, or the links do not end.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf> {
        self.trace(path, &mut |_, _| {})
    }

    /// As [`Tree::resolve`], and tells of every name on the way that is there, links included: its path, whose folder has no links, and what is known of it.
    ///
    /// # Errors
    /// As there.
    pub fn trace(&self, path: &Path, passed: &mut dyn FnMut(&Path, &fs::Metadata)) -> Result<PathBuf> {
        let mut rest = parts(&self.working.join(path));
        let mut found = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                found.pop();
                continue;
            }
            let next = found.join(&part);
            let outside = self.outside(&next);
            let metadata = fs::symlink_metadata(&outside).with_context(|| format!("{}", outside.display()))?;
            passed(&next, &metadata);
            if !metadata.is_symlink() {
                if !rest.is_empty() && !metadata.is_dir() {
                    let error = io::Error::from_raw_os_error(Errno::ENOTDIR as i32);
                    return Err(error).with_context(|| outside.display().to_string());
                }
                found = next;
                continue;
            }
            links += 1;
            if links > LINKS {
                let error = io::Error::from_raw_os_error(Errno::ELOOP as i32);
                return Err(error).with_context(|| self.outside(path).display().to_string());
            }
            let target = fs::read_link(&outside)?;
            if target.is_absolute() {
                found = PathBuf::from("/");
            }
            for part in parts(&target).into_iter().rev() {
                rest.push_front(part);
            }
        }
        Ok(found)
    }
}

/// The names in a path, and `..`.
fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use temp_dir::TempDir;

    fn tree() -> (TempDir, Tree) {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.child("usr/lib64")).unwrap();
        fs::create_dir_all(folder.child("usr/lib/x")).unwrap();
        fs::write(folder.child("usr/lib/x/file"), "").unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        (folder, tree)
    }

    #[test]
    fn links_count_from_the_trees_own_root() {
        let (folder, tree) = tree();
        symlink("usr/lib", folder.child("lib")).unwrap();
        symlink("/usr/lib64", folder.child("lib64")).unwrap();
        symlink("/lib/x/file", folder.child("usr/lib64/name")).unwrap();
        let found = tree.resolve(Path::new("/lib64/name")).unwrap();
        assert_eq!(found, Path::new("/usr/lib/x/file"));
        assert_eq!(tree.outside(&found), tree.root().join("usr/lib/x/file"));
    }

    #[test]
    fn a_relative_path_counts_from_where_a_program_would_be_started() {
        let system = Tree::open(Path::new("/")).unwrap();
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(system.resolve(Path::new("./src")).unwrap(), here.join("src"));
        assert!(system.outside(Path::new("src")).is_dir());
        let (_folder, tree) = tree();
        assert_eq!(tree.resolve(Path::new("./usr/lib")).unwrap(), Path::new("/usr/lib"));
    }

    #[test]
    fn no_path_leaves_the_tree() {
        let (folder, tree) = tree();
        symlink("../../../../usr/lib/x/file", folder.child("usr/lib64/up")).unwrap();
        assert_eq!(
            tree.resolve(Path::new("/usr/lib64/up")).unwrap(),
            Path::new("/usr/lib/x/file")
        );
        assert_eq!(tree.resolve(Path::new("/../..")).unwrap(), Path::new("/"));
        symlink("/etc/hostname", folder.child("usr/lib64/out")).unwrap();
        assert!(tree.resolve(Path::new("/usr/lib64/out")).is_err());
    }

    #[test]
    fn dots_behind_a_link_count_from_where_it_leads() {
        let (folder, tree) = tree();
        symlink("/usr/lib/x", folder.child("short")).unwrap();
        assert_eq!(
            tree.resolve(Path::new("/short/../x/file")).unwrap(),
            Path::new("/usr/lib/x/file")
        );
    }

    #[test]
    fn links_that_do_not_end_and_files_as_directories_are_errors() {
        let (folder, tree) = tree();
        symlink("loop", folder.child("loop")).unwrap();
        assert!(tree.resolve(Path::new("/loop")).is_err());
        assert!(tree.resolve(Path::new("/usr/lib/x/file/more")).is_err());
    }
}
