//! What goes into an image: programs, all that they bring along by lode's own search, what is to be opened later, and lode.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use super::cache;
use super::contents::Contents;
use super::interpreter;
use super::later::Later;
use crate::closure::{self, Closure, Flavour, Means, Rule, Surroundings, musl};
use crate::elf::{self, Binary, EM_X86_64, recognise};
use crate::installation::{self, Build};
use crate::spelling;

/// Where `/usr/bin/env` of a script's first line is told to look, as a container's engine sets it.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How many scripts may be the interpreters of others: as many as the kernel follows.
const SCRIPTS: usize = 5;
/// Subdirectories with libraries for newer CPUs (glibc-hwcaps).
const LEVELS: [&str; 3] = ["x86-64-v2", "x86-64-v3", "x86-64-v4"];
/// `DT_FLAGS_1`, and its bit for position-independent programs
const DT_FLAGS_1: u64 = 0x6fff_fffb;
const PIE: u64 = 0x0800_0000;

/// What was asked for.
pub struct Wish<'a> {
    /// Where all comes from, and how libraries are found there
    pub surroundings: &'a Surroundings,
    /// The loader
    pub lode: &'a Build,
    /// The path of the loader that programs are made to name
    pub set_interp: Option<&'a str>,
    /// Names that are left out of folders
    pub exclude: &'a [OsString],
}

/// An image in the making.
pub struct Gathering<'a> {
    wish: Wish<'a>,
    /// The soname of lode, which libc needs
    soname: Option<String>,
    /// What is there by now
    pub contents: Contents,
    /// Programs with a loader, by their paths
    pub dynamic: Vec<PathBuf>,
    /// Where lode is
    pub lode_at: BTreeSet<PathBuf>,
    /// What may be opened later
    pub later: Later,
    /// What is worth a word
    pub warnings: Vec<String>,
    /// Libraries that only the cache leads to: name and path
    by_cache: BTreeMap<String, String>,
    /// What libraries that nobody starts do not find: the name, and who needs it
    wanted: BTreeMap<String, String>,
    /// Files whose closure is there
    met: HashSet<PathBuf>,
}

impl<'a> Gathering<'a> {
    /// Begins with nothing.
    ///
    /// # Errors
    /// The loader cannot be read as ELF.
    pub fn new(wish: Wish<'a>) -> Result<Gathering<'a>> {
        Ok(Gathering {
            soname: Binary::parse(wish.lode.bytes().to_vec())?.soname,
            wish,
            contents: Contents::default(),
            dynamic: Vec::new(),
            lode_at: BTreeSet::new(),
            later: Later::default(),
            warnings: Vec::new(),
            by_cache: BTreeMap::new(),
            wanted: BTreeMap::new(),
            met: HashSet::new(),
        })
    }

    /// Adds a program with all that it brings along, and lode where it looks for its loader.
    ///
    /// # Errors
    /// It is not there, or none that can be started in such an image.
    pub fn program(&mut self, path: &Path) -> Result<()> {
        self.started(path, 0).with_context(|| path.display().to_string())
    }

    fn started(&mut self, path: &Path, scripts: usize) -> Result<()> {
        let tree = &self.wish.surroundings.tree;
        let real = self.contents.add(tree, path).map_err(plainly)?;
        let bytes = recognise::read(&tree.outside(&real))?;
        if let Some(line) = bytes.strip_prefix(b"#!") {
            let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
            return self.script(&spelling::text(line), scripts);
        }
        let binary = Binary::parse(bytes)?;
        let flags = binary.dynamic_value(DT_FLAGS_1).unwrap_or(0);
        if binary.interpreter.is_none() && !binary.is_program() && flags & PIE == 0 {
            bail!("a library, which nobody can start; --include brings it along");
        }
        self.elf(path, real, binary)
    }

    /// What a script's first line names, which is started in its place.
    fn script(&mut self, line: &str, scripts: usize) -> Result<()> {
        if scripts == SCRIPTS {
            bail!("scripts that interpret each other");
        }
        let mut words = line.split_ascii_whitespace();
        let first = words.next().context("a script whose first line names no program")?;
        self.started(Path::new(first), scripts + 1)
            .with_context(|| format!("a script for {first}"))?;
        if first.rsplit('/').next() != Some("env") {
            return Ok(());
        }
        let mut words = words.filter(|word| !word.starts_with('-') && !word.contains('='));
        let Some(name) = words.next() else { return Ok(()) };
        let tree = &self.wish.surroundings.tree;
        let mut paths = PATH.split(':').map(|folder| Path::new(folder).join(name));
        let found = paths.find(|path| tree.resolve(path).is_ok());
        let found = found.with_context(|| format!("a script for {name}, which is nowhere in {PATH}"))?;
        self.started(&found, scripts + 1)
            .with_context(|| format!("a script for {name}"))
    }

    /// Adds what will be opened: a file, or a folder with all that is in it. ELF files bring along what they need.
    ///
    /// # Errors
    /// It is not there, or something in it cannot be in an image.
    pub fn include(&mut self, path: &Path) -> Result<()> {
        let tree = &self.wish.surroundings.tree;
        let real = self
            .contents
            .add(tree, path)
            .map_err(plainly)
            .with_context(|| path.display().to_string())?;
        let outside = tree.outside(&real);
        if !outside.is_dir() {
            return self.file(path, real);
        }
        let exclude = self.wish.exclude;
        let is_wanted = |name: &OsStr| !exclude.iter().any(|one| one == name);
        let walk = WalkDir::new(&outside).min_depth(1).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| is_wanted(entry.file_name())) {
            let entry = entry.with_context(|| path.display().to_string())?;
            let inside = real.join(entry.path().strip_prefix(&outside)?);
            let is_link = entry.path_is_symlink();
            if is_link && self.is_loop(&inside, &real) {
                self.link(&inside)?;
            } else if is_link && entry.path().is_dir() {
                self.include(&inside)?;
            } else {
                let real = self
                    .contents
                    .add(&self.wish.surroundings.tree, &inside)
                    .with_context(|| inside.display().to_string())?;
                if !entry.file_type().is_dir() {
                    self.file(&inside, real)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a link leads to nothing, or to a folder that is being added.
    fn is_loop(&self, link: &Path, folder: &Path) -> bool {
        match self.wish.surroundings.tree.resolve(link) {
            Ok(target) => link.starts_with(&target) || folder.starts_with(&target) || target.starts_with(folder),
            Err(_) => true,
        }
    }

    /// Adds a link alone.
    fn link(&mut self, link: &Path) -> Result<()> {
        let tree = &self.wish.surroundings.tree;
        match self.contents.add(tree, link) {
            // A link to nothing: all on the way to it is there.
            Err(_) if fs::symlink_metadata(tree.outside(link)).is_ok() => self.contents.add_link(tree, link),
            other => other.map(|_| ()),
        }
    }

    /// A file that is in the image: one of ELF for this machine brings along what it needs.
    fn file(&mut self, path: &Path, real: PathBuf) -> Result<()> {
        if self.met.contains(&real) || self.lode_at.contains(&real) {
            return Ok(());
        }
        let outside = self.wish.surroundings.tree.outside(&real);
        let mut start = [0; 4];
        let is_elf = fs::File::open(&outside)
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start))
            .is_ok()
            && start == *b"\x7fELF";
        let Some(binary) = is_elf.then(|| Binary::open(&outside).ok()).flatten() else {
            return Ok(());
        };
        let is_for_this = (binary.header.machine, binary.header.bits) == (EM_X86_64, 64);
        if !is_for_this || binary.dynamic.is_empty() {
            return Ok(());
        }
        if binary.soname == self.soname && !installation::is_lode(&binary.bytes) {
            self.contents.remove(&real);
            self.warnings
                .push(format!("{} is another loader, and left out", real.display()));
            return Ok(());
        }
        self.elf(path, real, binary).with_context(|| path.display().to_string())
    }

    /// Adds what an ELF file brings along.
    fn elf(&mut self, path: &Path, real: PathBuf, binary: Binary) -> Result<()> {
        if !self.met.insert(real.clone()) {
            return Ok(());
        }
        if (binary.header.machine, binary.header.bits) != (EM_X86_64, 64) {
            bail!("for {}; lode is for x86-64", binary.header.machine_name());
        }
        if binary.dynamic.is_empty() && binary.interpreter.is_none() {
            return Ok(());
        }
        let closure = Closure::of(path, &[], self.wish.surroundings)?;
        self.missing(&closure)?;
        if binary.interpreter.is_some() && binary.soname.is_none() {
            self.loader(&closure, &binary, &real)?;
            self.dynamic.push(path.to_owned());
        }
        for (index, object) in closure.objects.iter().enumerate().skip(1) {
            if Some(index) == closure.interpreter {
                continue;
            }
            let path = spelling::path(&object.path);
            self.contents.add(&self.wish.surroundings.tree, &path)?;
            self.variants(&path)?;
        }
        self.cached(&closure);
        self.later.note(&closure);
        for wish in self.later.required(&closure) {
            self.include(&spelling::path(&wish))?;
        }
        Ok(())
    }

    /// What a closure lacks: of a program it ends all, of a library the program may have it.
    fn missing(&mut self, closure: &Closure) -> Result<()> {
        let program = &closure.objects[0];
        for edge in closure.missing() {
            // lode will be there, and answers to its name.
            if edge.means == Means::Interpreter || Some(&edge.name) == self.soname.as_ref() {
                continue;
            }
            let asker = &closure.objects[edge.asker].path;
            if program.binary.interpreter.is_none() {
                self.wanted.entry(edge.name.clone()).or_insert_with(|| asker.clone());
                continue;
            }
            let asker = match edge.asker {
                0 => "it".to_owned(),
                _ => format!("its library {asker}"),
            };
            bail!(
                "{asker} needs {}, which is not found; `lode-tool check` says more",
                edge.name
            );
        }
        Ok(())
    }

    /// Puts lode where a program looks for its loader, or has the program look where lode is.
    fn loader(&mut self, closure: &Closure, binary: &Binary, real: &Path) -> Result<()> {
        let named = binary.interpreter.as_deref().unwrap_or_default();
        let path = match self.wish.set_interp {
            Some(path) => {
                self.contents.change(real, interpreter::set(binary, path)?);
                path
            }
            None => named,
        };
        if !path.starts_with('/') {
            bail!("its interpreter {path} is no absolute path; --set-interp gives it another");
        }
        if closure.flavour == Flavour::Musl {
            self.musl_libc(closure)?;
        }
        let bytes = self.wish.lode.bytes().to_vec();
        let tree = &self.wish.surroundings.tree;
        let place = self.contents.put(tree, &spelling::path(path), bytes, 0o755)?;
        self.lode_at.insert(place);
        Ok(())
    }

    /// musl's libc is its loader too: it gets the name by which programs need it, and lode the loader's.
    fn musl_libc(&mut self, closure: &Closure) -> Result<()> {
        let surroundings = self.wish.surroundings;
        let libc = closure.interpreter.and_then(|index| closure.objects.get(index));
        let libc = libc.context("musl's libc, which is its interpreter, is not there")?;
        if installation::is_lode(&libc.binary.bytes) {
            return Ok(());
        }
        if let Some(why) = elf::musl::is_not_libc(&libc.binary) {
            bail!("{} is not musl's libc: {why}", libc.path);
        }
        let mut needed = closure.objects.iter().flat_map(|object| &object.binary.needed);
        let name = needed
            .find(|name| name.starts_with("libc."))
            .map_or("libc.so", String::as_str);
        let directories = musl::directories(&closure.objects[0].binary, surroundings);
        let mut directories = directories.split([':', '\n']).filter(|one| one.starts_with('/'));
        let first = directories.next().unwrap_or("/lib").to_owned();
        let folder = if directories.any(|one| one == "/lib") {
            "/lib"
        } else {
            &first
        };
        let place = spelling::path(&format!("{folder}/{name}"));
        self.contents
            .put(&surroundings.tree, &place, libc.binary.bytes.clone(), 0o755)?;
        let list = Path::new(musl::PATH_FILE);
        if surroundings.tree.resolve(list).is_ok() {
            self.contents.add(&surroundings.tree, list)?;
        }
        Ok(())
    }

    /// The same library for newer CPUs, which an image for any CPU has too.
    fn variants(&mut self, library: &Path) -> Result<()> {
        let (Some(folder), Some(name)) = (library.parent(), library.file_name()) else {
            return Ok(());
        };
        for level in LEVELS {
            let variant = folder.join("glibc-hwcaps").join(level).join(name);
            if self.wish.surroundings.tree.resolve(&variant).is_ok() {
                let real = self.contents.add(&self.wish.surroundings.tree, &variant)?;
                self.file(&variant, real)?;
            }
        }
        Ok(())
    }

    /// Notes libraries that are found only because the cache names them.
    fn cached(&mut self, closure: &Closure) {
        for edge in closure.edges.iter().filter(|edge| edge.rule == Some(Rule::Cache)) {
            let Some(object) = edge.target.and_then(|target| closure.objects.get(target)) else {
                continue;
            };
            let folder = object.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !lode::search::X86_64.directories.contains(&folder) {
                self.by_cache.insert(edge.name.clone(), object.path.clone());
            }
        }
    }

    /// What can be said only when all is there: the cache, and what is missing after all.
    ///
    /// # Errors
    /// There is no place for the cache.
    pub fn finish(&mut self) -> Result<()> {
        let cache = Path::new(lode::search::CACHE_PATH);
        if !self.by_cache.is_empty() && !self.contents.has(cache) {
            let bytes = cache::bytes(&self.by_cache);
            self.contents.put(&self.wish.surroundings.tree, cache, bytes, 0o644)?;
        }
        for (name, asker) in &self.wanted {
            if !self.contents.has_named(name) {
                self.warnings.push(format!("{asker} needs {name}, which is not found"));
            }
        }
        for path in self.contents.privileged() {
            let path = path.display();
            self.warnings
                .push(format!("{path} loses its set-user-ID or set-group-ID bit"));
        }
        let tree = &self.wish.surroundings.tree;
        self.warnings.extend(self.later.warnings(&self.contents, tree));
        Ok(())
    }
}

/// What the kernel said of a path that is named already.
fn plainly(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => anyhow::anyhow!("{}", closure::words(error)),
        None => error,
    }
}
