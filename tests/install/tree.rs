//! Small root file systems with a libc, a loader and a program, and what they look like.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use temp_dir::TempDir;

use super::tools::{has, run, skip, text, unsupported};

pub const NAME: &str = "ld-linux-x86-64.so.2";
/// Where Debian has libc and the loader.
pub const LIBRARIES: &str = "/lib/x86_64-linux-gnu";

/// Where a tree has its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Debian's: /lib64 is a link into /usr, and the loader in it a link into /lib/x86_64-linux-gnu, which is in /usr too. dpkg and apt.
    Debian,
    /// Debian's of old: /lib and /lib64 are folders. No dpkg.
    Unmerged,
    /// Debian 11's: as Debian's, and the loader is ld-2.31.so, to which links in both folders lead. No dpkg.
    Bullseye,
    /// Fedora's: /lib64 is a link to usr/lib64, where the loader is.
    Fedora,
}

/// What is known of a file: mode, owner, group, time of change, and the content or the link's target.
type Known = (u32, u32, u32, Option<(i64, i64)>, Vec<u8>);

/// A root file system.
pub struct Tree {
    pub folder: TempDir,
    pub loader: PathBuf,
    pub libc: PathBuf,
}

impl Tree {
    /// A tree with the installed libc, if the machine has what it takes.
    pub fn new(layout: Layout) -> Option<Tree> {
        let installed = Path::new(LIBRARIES);
        if !installed.join(NAME).exists() || fs::read(installed.join(NAME)).is_ok_and(|loader| is_lode(&loader)) {
            skip("no glibc where Debian has it");
            return None;
        }
        let folder = TempDir::with_prefix("lode-install-").unwrap();
        let at = |path: &str| folder.child(path);
        for path in ["usr/bin", "usr/lib64", "usr/lib/x86_64-linux-gnu"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        symlink("usr/bin", at("bin")).unwrap();
        let libraries = match layout {
            Layout::Debian => {
                symlink("usr/lib", at("lib")).unwrap();
                symlink("usr/lib64", at("lib64")).unwrap();
                symlink(installed.join(NAME), at("usr/lib64").join(NAME)).unwrap();
                dpkg_and_apt(&at);
                "usr/lib/x86_64-linux-gnu"
            }
            Layout::Unmerged => {
                fs::create_dir_all(at("lib/x86_64-linux-gnu")).unwrap();
                fs::create_dir_all(at("lib64")).unwrap();
                symlink(format!("../lib/x86_64-linux-gnu/{NAME}"), at("lib64").join(NAME)).unwrap();
                "lib/x86_64-linux-gnu"
            }
            Layout::Bullseye => {
                symlink("usr/lib", at("lib")).unwrap();
                symlink("usr/lib64", at("lib64")).unwrap();
                symlink(installed.join("ld-2.31.so"), at("usr/lib64").join(NAME)).unwrap();
                symlink("ld-2.31.so", at("usr/lib/x86_64-linux-gnu").join(NAME)).unwrap();
                "usr/lib/x86_64-linux-gnu"
            }
            Layout::Fedora => {
                symlink("usr/lib64", at("lib64")).unwrap();
                // The loader is Debian's, and looks there.
                symlink("../../lib64/libc.so.6", at("usr/lib/x86_64-linux-gnu/libc.so.6")).unwrap();
                "usr/lib64"
            }
        };
        let name = if layout == Layout::Bullseye { "ld-2.31.so" } else { NAME };
        let tree = Tree {
            loader: at(libraries).join(name),
            libc: at(libraries).join("libc.so.6"),
            folder,
        };
        copy(&installed.join(NAME), &tree.loader);
        copy(&installed.join("libc.so.6"), &tree.libc);
        copy(Path::new("/bin/echo"), &tree.folder.child("usr/bin/echo"));
        Some(tree)
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The file beside the loader that begins with `start`.
    pub fn beside(&self, start: &str) -> PathBuf {
        self.loader
            .with_file_name(format!("{start}.{}", self.loader.file_name().unwrap().display()))
    }

    /// Runs a program of the tree, with the tree's loader.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = as_root(self, "chroot".as_ref());
        run(command
            .arg(self.root())
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default()))
    }

    /// Whether a program of the tree runs.
    pub fn works(&self) -> bool {
        let output = self.run(&["/bin/echo", "works"]);
        let works = output.status.success() && output.stdout == b"works\n";
        if !works {
            println!("{output:?}");
        }
        works
    }

    /// Whether the tree's loader is lode.
    pub fn has_lode(&self) -> bool {
        let output = self.run(&["/lib64/ld-linux-x86-64.so.2", "--version"]);
        text(&output.stdout).starts_with("ld-lode")
    }

    /// Everything in the tree. dpkg's list of diversions counts without its time; what dpkg-divert leaves beside it, its backup and, when it
    /// is interrupted, the new list, does not count.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Known> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.ends_with("var/lib/dpkg/diversions-old") || path.ends_with("var/lib/dpkg/diversions-new") {
                    continue;
                }
                let metadata = fs::symlink_metadata(&path).unwrap();
                let content = if metadata.is_dir() {
                    folders.push(path.clone());
                    Vec::new()
                } else if metadata.is_symlink() {
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                } else {
                    fs::read(&path).unwrap()
                };
                let timeless = metadata.is_dir() || path.ends_with("var/lib/dpkg/diversions");
                let time = (!timeless).then(|| (metadata.mtime(), metadata.mtime_nsec()));
                found.insert(path, (metadata.mode(), metadata.uid(), metadata.gid(), time, content));
            }
        }
        found
    }

    /// Makes the tree's libc one that lode refuses and its own loader runs.
    pub fn make_libc_unsupported(&self) {
        let bytes = unsupported(&fs::read(&self.libc).unwrap());
        let new = self.folder.child("new");
        fs::write(&new, bytes).unwrap();
        fs::set_permissions(&new, fs::metadata(&self.libc).unwrap().permissions()).unwrap();
        fs::rename(new, &self.libc).unwrap();
    }
}

/// A program that may change its root, in a user namespace where that is needed.
pub fn as_root(tree: &Tree, program: &OsStr) -> Command {
    if fs::metadata(tree.root()).unwrap().uid() == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.arg("-r").arg(program);
    command
}

/// Says how two snapshots differ, and fails if they do.
pub fn assert_same(before: &BTreeMap<PathBuf, Known>, after: &BTreeMap<PathBuf, Known>, when: &str) {
    let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
    let paths: Vec<&PathBuf> = before.keys().chain(after.keys()).filter(differs).collect();
    assert!(paths.is_empty(), "{when}: {paths:?} changed");
}

pub fn is_lode(bytes: &[u8]) -> bool {
    let mark = b", an ELF program interpreter for Linux\n";
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// Copies a file with its mode and its time.
pub fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    let time = fs::metadata(from).unwrap().modified().unwrap();
    fs::File::options()
        .append(true)
        .open(to)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

/// dpkg as after `dpkg --install libc6`, with a diversion of somebody else, and apt's folder.
fn dpkg_and_apt(at: &dyn Fn(&str) -> PathBuf) {
    fs::create_dir_all(at("etc/apt/apt.conf.d")).unwrap();
    fs::create_dir_all(at("var/lib/dpkg/info")).unwrap();
    fs::create_dir_all(at("var/lib/dpkg/updates")).unwrap();
    fs::write(at("var/lib/dpkg/info/format"), "1\n").unwrap();
    fs::write(
        at("var/lib/dpkg/info/libc6:amd64.list"),
        format!("/.\n/lib\n{LIBRARIES}\n{LIBRARIES}/{NAME}\n{LIBRARIES}/libc.so.6\n/lib64\n/lib64/{NAME}\n"),
    )
    .unwrap();
    fs::write(at("var/lib/dpkg/diversions"), "/bin/sh\n/bin/sh.distrib\n:\n").unwrap();
    fs::write(
        at("var/lib/dpkg/status"),
        "Package: libc6\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\nVersion: 1\n\
         Maintainer: nobody <nobody@example.org>\nDescription: a libc\n",
    )
    .unwrap();
}

/// Whether dpkg's programs are there.
pub fn has_dpkg() -> bool {
    ["dpkg", "dpkg-deb", "dpkg-divert"].into_iter().all(has)
}

/// Builds a package libc6 of version 2 with this libc, and the installed loader with a byte more.
pub fn package(folder: &TempDir, libc: &[u8]) -> PathBuf {
    let root = folder.child("package");
    let libraries = root.join("lib/x86_64-linux-gnu");
    fs::create_dir_all(&libraries).unwrap();
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::create_dir_all(root.join("lib64")).unwrap();
    copy(&Path::new(LIBRARIES).join("libc.so.6"), &libraries.join("libc.so.6"));
    fs::write(libraries.join("libc.so.6"), libc).unwrap();
    copy(&Path::new(LIBRARIES).join(NAME), &libraries.join(NAME));
    let mut loader = fs::read(libraries.join(NAME)).unwrap();
    loader.push(0);
    fs::write(libraries.join(NAME), loader).unwrap();
    symlink(Path::new(LIBRARIES).join(NAME), root.join("lib64").join(NAME)).unwrap();
    fs::write(
        root.join("DEBIAN/control"),
        "Package: libc6\nMulti-Arch: same\nArchitecture: amd64\nVersion: 2\n\
         Maintainer: nobody <nobody@example.org>\nDescription: a libc\n",
    )
    .unwrap();
    let package = folder.child("libc6_2_amd64.deb");
    super::tools::succeed(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Znone", "--build"])
            .arg(root)
            .arg(&package),
    );
    package
}
