//! lode in the place of a tree's loader: how it gets there, how it is replaced, how it goes.
//!
//! Beside the loader stand, while lode is installed:
//!
//! | file | what it is |
//! |---|---|
//! | `lode-original.NAME` | the loader that lode replaced: the same file, with another name |
//! | `lode-digest.NAME` | the digests of both, as `sha256sum --check` reads them |
//! | `lode-restore.NAME` | where dpkg's updates go to the original: a link to it, which `ld-lode --restore` gives the loader's name |
//! | `lode-new.NAME` | a file that is being written |
//! | `lode-link.LIBC` | with musl: the link that LIBC was |
//!
//! musl's loader is its libc. Programs need it by another name, which is a link to the loader's (Alpine), or the loader's name is the link (all others). Before lode gets
//! the loader's name, a link that would lead to lode becomes a second name of the libc itself.
//!
//! None begins with `ld-` or `lib`, so that ldconfig does not take it for a library.
//!
//! The order of the steps is what makes an interruption harmless. The loader's name always stands for a whole loader, because it only changes by
//! rename. The diversion exists only while lode has that name: a package's loader that is diverted from an original would leave an old loader with
//! a new libc. Whatever is left half done, the same command or its opposite ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::debian::Debian;
use crate::elf::{self, Binary};
use crate::files;
use crate::report::say;
use crate::tree::Tree;

/// The loaders that lode takes the place of, and where programs ask for them, in PT_INTERP.
pub const NAMES: [&str; 2] = ["ld-linux-x86-64.so.2", "ld-musl-x86_64.so.1"];
const MUSL: &str = "ld-musl-";
/// Where a libc may be, besides the loader's own folder.
const LIBRARIES: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
];
/// What the original's name begins with.
const KEPT: &str = "lode-original.";
/// What the name of a link begins with that was musl's libc.
const LINK: &str = "lode-link.";
/// What every build of lode says of itself (`--version`).
const MARK: &[u8] = b", an ELF program interpreter for Linux\n";

/// A loader that is to be installed.
#[derive(Debug)]
pub struct Build {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Build {
    /// Reads a build of lode.
    ///
    /// # Errors
    /// It cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Build> {
        let context = || format!("cannot read the loader {}", path.display());
        let bytes = fs::read(path).with_context(context)?;
        if !is_lode(&bytes) {
            bail!("{} is not lode", path.display());
        }
        let path = path.canonicalize().with_context(context)?;
        Ok(Build { path, bytes })
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What the loader's name stands for.
#[derive(Debug, PartialEq, Eq)]
enum Current {
    /// lode.
    Lode,
    /// Another loader: the original, or one that came with an update.
    Other,
}

/// How an installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// As `install` left it.
    Whole,
    /// There is none.
    Absent,
    /// Something is missing or was changed.
    Damaged,
}

/// A tree's loader and what stands beside it.
#[derive(Debug)]
pub struct Installation {
    tree: Tree,
    /// What programs ask for.
    asked: PathBuf,
    /// The loader's path in the tree, without links.
    inside: PathBuf,
    /// The same for the running system.
    loader: PathBuf,
    kept: PathBuf,
    digests: PathBuf,
    restore: PathBuf,
    new: PathBuf,
    /// Held as long as this lives.
    _lock: File,
}

impl Installation {
    /// Finds the loader `name` of the tree at `root`, as programs find it, and keeps other commands away.
    ///
    /// # Errors
    /// There is none, or another command works on it.
    pub fn find(root: &Path, name: &str) -> Result<Installation> {
        let tree = Tree::open(root)?;
        let asked = asked(name);
        let inside = real_file(&tree, &asked)
            .with_context(|| format!("{} has no {}", tree.root().display(), asked.display()))?;
        let loader = tree.outside(&inside);
        // The file's own name, which need not be the one that programs ask for: glibc 2.31 has ld-2.31.so, and links to it.
        let file = name_of(&inside);
        let beside = |start: &str| loader.with_file_name(format!("{start}.{file}"));
        let folder = loader.parent().context("a loader lies in a folder")?;
        let lock = File::open(folder)?;
        lock.try_lock()
            .map_err(|_| anyhow::anyhow!("another lode-tool is at work in {}", folder.display()))?;
        Ok(Installation {
            kept: beside("lode-original"),
            digests: beside("lode-digest"),
            restore: beside("lode-restore"),
            new: beside("lode-new"),
            asked,
            inside,
            loader,
            tree,
            _lock: lock,
        })
    }

    /// Whether this is the loader that the running system uses.
    pub fn is_running_system(&self) -> bool {
        let own = self.asked.clone();
        let folder = |path: &Path| {
            fs::metadata(path.parent()?)
                .ok()
                .map(|folder| (folder.dev(), folder.ino()))
        };
        let own = own.canonicalize().unwrap_or(own);
        folder(&own).is_some_and(|own| folder(&self.loader) == Some(own))
    }

    /// The loader's path for the running system.
    pub fn loader(&self) -> &Path {
        &self.loader
    }

    /// Puts lode in the loader's place. Returns whether there was something to do.
    ///
    /// # Errors
    /// The tree's libc is not supported, another build is installed already, or a step fails. Programs of the tree have a loader at every step.
    pub fn install(&self, build: &Build, divert: bool) -> Result<bool> {
        let debian = self.debian().filter(|_| divert);
        if let Some(debian) = &debian {
            debian.ready()?;
        }
        let changed = match self.current()? {
            Current::Lode => {
                self.original()?;
                if fs::read(&self.loader)? != build.bytes {
                    bail!(
                        "another build of lode is installed as {}; `lode-tool upgrade` replaces it",
                        self.loader.display()
                    );
                }
                false
            }
            Current::Other => {
                self.check_libcs(&build.path)?;
                self.keep()?;
                self.name_libc()?;
                self.put(build)?;
                true
            }
        };
        if let Some(debian) = debian {
            self.divert(&debian)?;
        }
        Ok(changed)
    }

    /// Replaces an installed lode by another build. Returns whether it was another one.
    ///
    /// # Errors
    /// lode is not installed, the new build does not support the tree's libc, or a step fails. Then the old build stays.
    pub fn upgrade(&self, build: &Build) -> Result<bool> {
        if self.current()? != Current::Lode {
            bail!("lode is not installed as {}", self.loader.display());
        }
        self.original()?;
        self.check_libcs(&build.path)?;
        if fs::read(&self.loader)? == build.bytes {
            return Ok(false);
        }
        self.put(build)?;
        Ok(true)
    }

    /// Puts the original back and removes what stands beside it. Returns whether there was something to do.
    ///
    /// # Errors
    /// The original is gone or was changed, or a step fails. Programs of the tree have a loader at every step.
    pub fn uninstall(&self, force: bool) -> Result<bool> {
        let debian = self.debian();
        let diverted = self.is_diverted()?;
        let put_back = match self.current()? {
            Current::Lode => {
                let original = self.original()?;
                // With a diversion it is dpkg that changes the original.
                if !force
                    && !diverted
                    && self
                        .recorded(&self.kept)?
                        .is_some_and(|digest| digest != files::digest(&original))
                {
                    bail!(
                        "{} is not the file that was kept; --force puts it in place all the same",
                        self.kept.display()
                    );
                }
                true
            }
            // `--restore` left a link to the original; or updates went to it all the time.
            Current::Other => (diverted || self.loader.is_symlink()) && self.kept.exists(),
        };
        let ended = self.remove_ended(debian.as_ref())?;
        let marks = [&self.kept, &self.digests, &self.restore, &self.new];
        let asked = debian.as_ref().and_then(Debian::asks) == Some(true);
        let links = self.links()?;
        if !put_back
            && !diverted
            && !asked
            && links.is_empty()
            && !marks.iter().any(|file| file.is_symlink() || file.exists())
        {
            return Ok(ended);
        }
        if let Some(debian) = &debian {
            debian.ask_no_more()?;
            if diverted {
                debian.ready()?;
                debian.undivert(&self.kept_name())?;
            }
        }
        files::remove(&self.restore)?;
        if put_back {
            files::rename(&self.kept, &self.loader)?;
        }
        for (link, name) in links {
            // An update of the package has made its own.
            match name.is_symlink() {
                true => files::remove(&link)?,
                false => files::rename(&link, &name)?,
            }
        }
        for file in marks {
            files::remove(file)?;
        }
        files::sync_folder(&self.loader)?;
        Ok(true)
    }

    /// Removes an installation of another name in the loader's folder. An update has ended it, by giving programs a loader of a new name: glibc 2.31
    /// has ld-2.31.so, and every later one ld-linux-x86-64.so.2. Returns whether there was one.
    fn remove_ended(&self, debian: Option<&Debian<'_>>) -> Result<bool> {
        let folder = self.loader.parent().context("a loader lies in a folder")?;
        let mut found = false;
        for entry in fs::read_dir(folder)? {
            let entry = entry?.file_name().to_string_lossy().into_owned();
            let Some(name) = entry
                .strip_prefix("lode-digest.")
                .filter(|name| *name != name_of(&self.loader) && name.starts_with(MUSL) == self.is_musl())
            else {
                continue;
            };
            found = true;
            let kept = format!("{KEPT}{name}");
            if let Some(debian) = debian {
                debian.undivert(kept.as_ref())?;
            }
            let (old, kept) = (folder.join(name), folder.join(kept));
            if fs::read(&old).is_ok_and(|bytes| is_lode(&bytes)) {
                // Its package is gone, and took the original along; or it stayed.
                match kept.exists() {
                    true => files::rename(&kept, &old)?,
                    false => files::remove(&old)?,
                }
            }
            for start in ["lode-restore", "lode-new", "lode-original", "lode-digest"] {
                files::remove(&folder.join(format!("{start}.{name}")))?;
            }
        }
        Ok(found)
    }

    /// Prints how things are, one fact a line.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn status(&self) -> Result<Health> {
        let current = self.current()?;
        let mut whole = true;
        let mut changed = |path: &Path| -> Result<&str> {
            let found = match self.recorded(path)? {
                None => "of which no digest is recorded",
                Some(digest) if digest == files::digest(&fs::read(path)?) => return Ok("as installed"),
                Some(_) => "changed since",
            };
            whole = false;
            Ok(found)
        };
        match current {
            Current::Lode => say(format_args!(
                "loader:   {} is lode, {}\n",
                self.loader.display(),
                changed(&self.loader)?
            ))?,
            Current::Other => say(format_args!("loader:   {} is not lode\n", self.loader.display()))?,
        }
        let diverted = self.is_diverted()?;
        match (self.kept.exists(), diverted) {
            (true, false) => say(format_args!(
                "original: {}, {}\n",
                self.kept.display(),
                changed(&self.kept)?
            ))?,
            (true, true) => say(format_args!(
                "original: {}, which dpkg keeps up to date\n",
                self.kept.display()
            ))?,
            (false, _) => say("original: not kept\n")?,
        }
        for libc in self.libcs() {
            let (supported, line) = match current {
                Current::Lode => check_libc(&self.loader, &libc)?,
                _ => (true, "not asked".to_owned()),
            };
            whole &= supported;
            say(format_args!("libc:     {}: {line}\n", libc.display()))?;
        }
        if let Some(debian) = self.debian() {
            let asks = match debian.asks() {
                Some(true) => ", apt asks before it replaces libc",
                Some(false) => ", apt does not ask before it replaces libc",
                None => "",
            };
            say(format_args!(
                "updates:  {}{asks}\n",
                if diverted { "diverted" } else { "not diverted" }
            ))?;
        }
        Ok(match current {
            Current::Lode if whole && self.kept.exists() => Health::Whole,
            Current::Other if !self.kept.exists() && !diverted => Health::Absent,
            _ => Health::Damaged,
        })
    }

    fn current(&self) -> Result<Current> {
        let bytes = fs::read(&self.loader).with_context(|| format!("cannot read {}", self.loader.display()))?;
        Ok(if is_lode(&bytes) { Current::Lode } else { Current::Other })
    }

    /// The original's bytes.
    fn original(&self) -> Result<Vec<u8>> {
        let bytes = fs::read(&self.kept).with_context(|| {
            format!(
                "{} is lode, and the original is not beside it; the package of libc has another",
                self.loader.display()
            )
        })?;
        if !bytes.starts_with(b"\x7fELF") || is_lode(&bytes) {
            bail!("{} is no other loader", self.kept.display());
        }
        Ok(bytes)
    }

    /// Gives the loader a second name. What had that name before was left by an installation that an update of the loader has ended.
    fn keep(&self) -> Result<()> {
        // `--restore` left a link to it. musl's may be one in itself.
        if self.loader.is_symlink() && !self.is_musl() {
            return Ok(());
        }
        files::remove(&self.new)?;
        fs::hard_link(&self.loader, &self.new)
            .with_context(|| format!("cannot give {} a second name", self.loader.display()))?;
        files::rename(&self.new, &self.kept)
    }

    /// Gives a build the loader's name. The original is kept by then.
    fn put(&self, build: &Build) -> Result<()> {
        let original = self.original()?;
        let record = format!(
            "{}  {}\n{}  {}\n",
            files::digest(&original),
            name_of(&self.kept),
            files::digest(&build.bytes),
            name_of(&self.loader)
        );
        let metadata = fs::metadata(&self.kept)?;
        let owner = Some((metadata.uid(), metadata.gid()));
        files::replace(&self.digests, &self.new, record.as_bytes(), 0o644, owner)?;
        files::replace(&self.loader, &self.new, &build.bytes, 0o755, owner)
    }

    /// Has updates of the package go to the original.
    fn divert(&self, debian: &Debian<'_>) -> Result<()> {
        let kept = self.kept_name();
        if !self.restore.is_symlink() {
            symlink(&kept, &self.restore).with_context(|| format!("cannot make {}", self.restore.display()))?;
            files::sync_folder(&self.restore)?;
        }
        debian.ask()?;
        debian.divert(&self.inside, &kept)
    }

    /// The tree's dpkg, as far as it has to do with this loader.
    fn debian(&self) -> Option<Debian<'_>> {
        Debian::of(&self.tree).filter(|_| !self.is_musl())
    }

    fn is_musl(&self) -> bool {
        name_of(&self.asked).starts_with(MUSL)
    }

    /// The links that were musl's libc, each with its former name.
    fn links(&self) -> Result<Vec<(PathBuf, PathBuf)>> {
        let folder = self.loader.parent().context("a loader lies in a folder")?;
        let mut links = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(name) = name_of(&path).strip_prefix(LINK) {
                links.push((path.clone(), path.with_file_name(name)));
            }
        }
        Ok(links.into_iter().filter(|_| self.is_musl()).collect())
    }

    /// Gives musl's libc itself the names that are links to the loader. Under musl nobody looks at them; under lode they would lead to lode.
    fn name_libc(&self) -> Result<()> {
        if !self.is_musl() {
            return Ok(());
        }
        let folder = self.loader.parent().context("a loader lies in a folder")?;
        let mut names: Vec<PathBuf> = self.links()?.into_iter().map(|(_, name)| name).collect();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let leads_here = || {
                let inside = self.inside.with_file_name(path.file_name()?);
                Some(self.tree.resolve(&inside).ok()? == self.tree.resolve(&self.inside).ok()?)
            };
            if name_of(&path).starts_with("libc.") && path.is_symlink() && leads_here() == Some(true) {
                names.push(path);
            }
        }
        if names.is_empty() && !self.loader.is_symlink() && !self.kept.is_symlink() {
            bail!(
                "{} is musl's libc, and no link beside it has the name by which programs need it (libc.musl-x86_64.so.1)",
                self.loader.display()
            );
        }
        for name in names {
            let link = name.with_file_name(format!("{LINK}{}", name_of(&name)));
            if name.is_symlink() {
                files::remove(&link)?;
                fs::hard_link(&name, &link).with_context(|| format!("cannot keep {}", name.display()))?;
            }
            files::remove(&self.new)?;
            fs::hard_link(&self.kept, &self.new)?;
            files::rename(&self.new, &name)?;
        }
        Ok(())
    }

    fn is_diverted(&self) -> Result<bool> {
        self.debian()
            .map_or(Ok(false), |debian| debian.is_diverted(&self.kept_name()))
    }

    fn kept_name(&self) -> OsString {
        self.kept.file_name().unwrap_or_default().to_owned()
    }

    /// The digest that was recorded for a file.
    fn recorded(&self, file: &Path) -> Result<Option<String>> {
        let record = match fs::read_to_string(&self.digests) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("cannot read {}", self.digests.display()))?,
        };
        let name = name_of(file);
        let mut lines = record.lines().filter_map(|line| line.split_once("  "));
        Ok(lines.find(|(_, of)| *of == name).map(|(digest, _)| digest.to_owned()))
    }

    /// Every libc.so.6 of the tree that its programs may get, as the running system names them.
    fn libcs(&self) -> Vec<PathBuf> {
        if self.is_musl() {
            let is_lode = self.current().is_ok_and(|current| current == Current::Lode);
            return vec![if is_lode {
                self.kept.clone()
            } else {
                self.loader.clone()
            }];
        }
        let folders = self.inside.parent().into_iter().chain(LIBRARIES.iter().map(Path::new));
        let mut found: Vec<PathBuf> = folders
            .filter_map(|folder| self.tree.resolve(&folder.join("libc.so.6")).ok())
            .collect();
        found.sort();
        found.dedup();
        found.iter().map(|libc| self.tree.outside(libc)).collect()
    }

    /// Asks the build itself about every libc of the tree.
    fn check_libcs(&self, build: &Path) -> Result<()> {
        let libcs = self.libcs();
        if libcs.is_empty() {
            bail!("{} has no libc.so.6 beside its loader", self.tree.root().display());
        }
        for libc in libcs {
            if self.is_musl()
                && let Some(why) = elf::musl::is_not_libc(&Binary::open(&libc)?)
            {
                bail!("{} is not musl's libc: {why}\nit stays as it is", libc.display());
            }
            let (supported, line) = check_libc(build, &libc)?;
            if !supported {
                bail!("{line}\n{} stays as it is", self.loader.display());
            }
        }
        Ok(())
    }
}

/// Whether a build supports a libc, and its line about it.
fn check_libc(build: &Path, libc: &Path) -> Result<(bool, String)> {
    let output = Command::new(build)
        .arg("--check-libc")
        .arg(libc)
        .env_clear()
        // A tree that is run in may have no /dev/null.
        .stdin(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", build.display()))?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success(), line))
}

/// The path without links of the loader that programs ask for as `asked`. The link that `--restore` makes of the loader is not followed.
fn real_file(tree: &Tree, asked: &Path) -> Result<PathBuf> {
    let real = tree.resolve(asked)?;
    if name_of(asked).starts_with(MUSL) {
        // Its end is libc, which keeps its name.
        let folder = tree.resolve(asked.parent().context("a loader lies in a folder")?)?;
        return Ok(folder.join(name_of(asked)));
    }
    let own = name_of(&real).strip_prefix(KEPT).map(|name| real.with_file_name(name));
    Ok(own.filter(|own| tree.outside(own).is_symlink()).unwrap_or(real))
}

/// Where programs ask for a loader.
fn asked(name: &str) -> PathBuf {
    let folder = if name.starts_with(MUSL) { "/lib" } else { "/lib64" };
    Path::new(folder).join(name)
}

/// Whether bytes are a build of lode.
pub fn is_lode(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") && bytes.windows(MARK.len()).any(|window| window == MARK)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
