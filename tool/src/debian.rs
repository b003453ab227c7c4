//! What keeps dpkg and apt from undoing an installation, or from breaking it: a diversion, and a question before packages are unpacked.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::files;
use crate::tree::Tree;

/// dpkg's folder.
const ADMIN: &str = "/var/lib/dpkg";
/// apt's folder of settings.
const APT: &str = "/etc/apt/apt.conf.d";
/// The file with the question.
const QUESTION: &str = "50lode";

/// What apt asks before it has anything unpacked (apt.conf(5), `DPkg::Pre-Install-Pkgs`): is the new libc one that lode supports? The paths of
/// the packages come in, one a line; a status other than 0 stops apt. Once lode is not the loader any more, the answer is yes.
const ASK: &str = "\
// Stops an update to a libc that the installed lode does not support, before anything of it is unpacked.
// lode-tool wrote this file; `lode-tool uninstall` removes it.
DPkg::Pre-Install-Pkgs { \"\
loader=/lib64/ld-linux-x86-64.so.2; \
case $($loader --version) in ld-lode*) ;; *) exit 0;; esac; \
set -f; IFS=; status=0; libc=$(mktemp) || exit 1; \
while read -r package; do \
case $(dpkg-deb --show --showformat='${Package}:${Architecture}' $package) in libc6:amd64) \
dpkg-deb --fsys-tarfile $package | tar -xO --wildcards '*/x86_64-linux-gnu/libc.so.6' >$libc; \
$loader --check-libc $libc >&2 || { status=1; echo lode: $package is not unpacked >&2; };; \
esac; done; \
rm -f $libc; exit $status\"; };
";

/// A tree that dpkg manages.
#[derive(Debug)]
pub struct Debian<'a> {
    tree: &'a Tree,
    admin: PathBuf,
}

impl<'a> Debian<'a> {
    /// The tree's dpkg, if it has one.
    pub fn of(tree: &'a Tree) -> Option<Debian<'a>> {
        let admin = tree.outside(&tree.resolve(Path::new(ADMIN)).ok()?);
        admin.join("info").is_dir().then_some(Debian { tree, admin })
    }

    /// Whether this machine has the program that edits diversions.
    ///
    /// # Errors
    /// It has not.
    pub fn ready(&self) -> Result<()> {
        let probe = Command::new("dpkg-divert")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if !probe.is_ok_and(|status| status.success()) {
            bail!(
                "{} is a Debian tree, and this machine has no dpkg-divert; \
                 with --no-divert the next update of libc6 puts its own loader in lode's place",
                self.tree.root().display()
            );
        }
        Ok(())
    }

    /// Sends what the package has for `loader`, a path without links, to `kept` beside it.
    ///
    /// # Errors
    /// dpkg-divert fails.
    pub fn divert(&self, loader: &Path, kept: &OsStr) -> Result<()> {
        let diverted: Vec<String> = self.diversions(kept)?.into_iter().map(|(from, _)| from).collect();
        for name in self.package_names(loader)? {
            if !diverted.contains(&name) {
                let to = Path::new(&name).with_file_name(kept);
                self.dpkg_divert(&[OsStr::new("--add"), "--divert".as_ref(), to.as_os_str(), name.as_ref()])?;
            }
        }
        Ok(())
    }

    /// Removes all diversions to `kept`.
    ///
    /// # Errors
    /// dpkg-divert fails.
    pub fn undivert(&self, kept: &OsStr) -> Result<()> {
        for (from, to) in self.diversions(kept)? {
            self.dpkg_divert(&[OsStr::new("--remove"), "--divert".as_ref(), to.as_ref(), from.as_ref()])?;
        }
        Ok(())
    }

    /// Whether updates of the loader go to `kept`.
    ///
    /// # Errors
    /// dpkg's list cannot be read.
    pub fn is_diverted(&self, kept: &OsStr) -> Result<bool> {
        Ok(!self.diversions(kept)?.is_empty())
    }

    /// Has apt ask before it unpacks another libc. A tree without apt needs no question.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn ask(&self) -> Result<()> {
        let Some(folder) = self.apt() else { return Ok(()) };
        let place = folder.join(QUESTION);
        if fs::read(&place).is_ok_and(|text| text == ASK.as_bytes()) {
            return Ok(());
        }
        // apt reads no file whose name ends so.
        files::replace(&place, &folder.join("50lode.dpkg-new"), ASK.as_bytes(), 0o644, None)
    }

    /// Takes the question back.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn ask_no_more(&self) -> Result<()> {
        match self.apt() {
            Some(folder) => {
                files::remove(&folder.join("50lode.dpkg-new"))?;
                files::remove(&folder.join(QUESTION))
            }
            None => Ok(()),
        }
    }

    /// Whether apt asks; `None` in a tree without apt.
    pub fn asks(&self) -> Option<bool> {
        self.apt().map(|folder| folder.join(QUESTION).exists())
    }

    fn apt(&self) -> Option<PathBuf> {
        Some(self.tree.outside(&self.tree.resolve(Path::new(APT)).ok()?))
    }

    /// What packages call the file `loader`: dpkg compares names, not files, and /lib may be a link to /usr/lib.
    fn package_names(&self, loader: &Path) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(self.admin.join("info"))? {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("list")) {
                continue;
            }
            let list = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for line in String::from_utf8_lossy(&list).lines() {
                let name = Path::new(line);
                // The folder is resolved and the name is not: a package's link to the loader is another file.
                if name.file_name() == loader.file_name()
                    && let Some(folder) = name.parent()
                    && self.tree.resolve(folder).ok().as_deref() == loader.parent()
                {
                    names.insert(line.to_owned());
                }
            }
        }
        Ok(names)
    }

    /// The diversions that lead to a file named `kept`: from where and to where.
    fn diversions(&self, kept: &OsStr) -> Result<Vec<(String, String)>> {
        let place = self.admin.join("diversions");
        let list = match fs::read_to_string(&place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.with_context(|| format!("cannot read {}", place.display()))?,
        };
        let lines: Vec<&str> = list.lines().collect();
        let all = lines.chunks_exact(3).filter_map(|three| match three {
            [from, to, _] => Some((from.to_string(), to.to_string())),
            _ => None,
        });
        Ok(all.filter(|(_, to)| Path::new(to).file_name() == Some(kept)).collect())
    }

    fn dpkg_divert(&self, arguments: &[&OsStr]) -> Result<()> {
        let output = Command::new("dpkg-divert")
            .arg("--quiet")
            .arg("--admindir")
            .arg(&self.admin)
            .arg("--instdir")
            .arg(self.tree.root())
            .args(["--local", "--no-rename"])
            .args(arguments)
            .output()
            .context("cannot start dpkg-divert")?;
        if !output.status.success() {
            bail!("dpkg-divert: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}
