//! Where a library may be: a name, and who asks for it, become the paths to try. Nothing is opened here.
//!
//! A [`Walk`] is the list of paths for one name, made lazily in glibc's order:
//!
//! 1. a name with a slash is a path and is the only candidate;
//! 2. DT_RPATH of the asker, of whoever loaded the asker, and so on up to the program, unless the asker has DT_RUNPATH;
//! 3. `LD_LIBRARY_PATH` or `--library-path`;
//! 4. DT_RUNPATH of the asker alone;
//! 5. `/etc/ld.so.cache`;
//! 6. the system's default directories.
//!
//! In each directory the `glibc-hwcaps` subdirectories come first. The caller opens the candidates, and may tell the walk which
//! directories do not exist; candidates in those are not produced again ([`Directories`]). A directory that is asked in vain too often can be read once
//! ([`Walk::missed`]): of its candidates is then known which are there.
//!
//! ```ignore
//! let mut walk = searcher.walk(&request, &mut directories);
//! while let Some(step) = walk.next() {
//!     match step {
//!         Step::Entering(place) => log(place, walk.search_path()),
//!         Step::Try(candidate) => match open(candidate.path.bytes()) {
//!             Err(ENOENT) => while let Some(directory) = walk.unknown_directory(&candidate) {
//!                 if !walk.learn(directory, is_directory(directory)) { break }
//!             },
//!             …
//!         }
//!     }
//! }
//! ```
//!
//! A secure process (see `process.rs`) searches less, because its user and its program are not friends:
//! relative and empty elements are dropped, as is `$ORIGIN` in the program's own paths unless it leads to a default directory;
//! `LD_LIBRARY_PATH` is not used, and a preload is looked for in the default directories only.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::error::{Name, has_byte};

pub mod cache;
pub mod hwcaps;
pub mod numbers;
pub mod tokens;

use cache::Cache;
use hwcaps::Hwcaps;
use numbers::Numbers;
use tokens::Values;

/// The path of the cache file.
pub const CACHE_PATH: &str = "/etc/ld.so.cache";

/// Where one machine's systems keep their libraries.
#[derive(Debug)]
pub struct Conventions {
    /// The default directories, in search order; absolute, without a slash at the end.
    pub directories: &'static [&'static str],
    /// What `$LIB` may stand for.
    pub lib: &'static [&'static str],
    /// The flags of this machine's entries in the cache (glibc's `ldconfig.h`: `FLAG_ELF_LIBC6` and the ABI).
    pub cache_flags: u32,
    /// The `glibc-hwcaps` subdirectories, best first; the last one is level 2 of the CPU.
    pub levels: &'static [&'static str],
}

/// x86-64.
///
/// One loader serves every distribution, so the directories are those of all of them. The multiarch pair comes first: it exists
/// on Debian's kind only, where it is what glibc searches first. `lib64` comes before `lib`, because on Fedora's kind `lib`
/// holds 32-bit libraries and on Debian's kind `lib64` holds next to nothing. On Arch all four are one directory.
pub static X86_64: Conventions = Conventions {
    directories: &[
        "/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu",
        "/lib64",
        "/usr/lib64",
        "/lib",
        "/usr/lib",
    ],
    lib: &["lib/x86_64-linux-gnu", "lib64"],
    cache_flags: 0x0303,
    levels: &["x86-64-v4", "x86-64-v3", "x86-64-v2"],
};

/// aarch64; the order as for [`X86_64`].
pub static AARCH64: Conventions = Conventions {
    directories: &[
        "/lib/aarch64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/lib64",
        "/usr/lib64",
        "/lib",
        "/usr/lib",
    ],
    lib: &["lib/aarch64-linux-gnu", "lib64"],
    cache_flags: 0x0a03,
    levels: &[],
};

impl Conventions {
    /// The `glibc-hwcaps` names that a CPU of `level` (1: the baseline) can use, best first.
    fn usable_levels(&self, level: u8) -> &'static [&'static str] {
        let unusable = self.levels.len().saturating_sub(usize::from(level.saturating_sub(1)));
        self.levels.get(unusable..).unwrap_or_default()
    }

    /// Whether `path`, without looking at links, is a default directory or lies below one.
    fn is_trusted(&self, path: &[u8]) -> bool {
        let plain = plain(path);
        path.starts_with(b"/")
            && self.directories.iter().any(|directory| {
                let below = plain.strip_prefix(directory.as_bytes());
                below.is_some_and(|below| below.is_empty() || below.starts_with(b"/"))
            })
    }
}

/// An absolute path with `.`, `..` and superfluous slashes taken out.
fn plain(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => plain.truncate(plain.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            _ => {
                plain.extend_from_slice(b"/");
                plain.extend_from_slice(part);
            }
        }
    }
    plain
}

/// What the searches of one process have in common, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The machine's habits.
    pub conventions: &'static Conventions,
    /// Whether the process is secure (AT_SECURE).
    pub secure: bool,
    /// `LD_LIBRARY_PATH` or what replaces it.
    pub library_path: Option<&'a [u8]>,
    /// Names of modules, separated by colons or spaces, whose DT_RPATH and DT_RUNPATH are not used. The empty name is the program's.
    pub inhibit_rpath: Option<&'a [u8]>,
    /// `--glibc-hwcaps-prepend`.
    pub hwcaps_prepend: Option<&'a [u8]>,
    /// `--glibc-hwcaps-mask`.
    pub hwcaps_mask: Option<&'a [u8]>,
    /// The psABI level of the CPU, 1 being the baseline.
    pub cpu_level: u8,
    /// AT_PLATFORM.
    pub platform: Option<&'a [u8]>,
    /// The program's directory, for `$ORIGIN` in the library path.
    pub program_origin: Option<&'a [u8]>,
}

/// A module, as far as its search paths go.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    /// Its name, for messages and for `--inhibit-rpath`.
    pub name: Name,
    /// The directory of its file, absolute and with links resolved; `None` when it is not known.
    pub origin: Option<Name>,
    /// DT_RPATH.
    pub rpath: Option<&'a [u8]>,
    /// DT_RUNPATH. It makes DT_RPATH of the same module void.
    pub runpath: Option<&'a [u8]>,
    /// DF_1_NODEFLIB: default directories are not for what this module needs.
    pub no_default_directories: bool,
    /// Whether it is the program, whose place its user may have chosen.
    pub is_program: bool,
}

impl Link<'_> {
    fn origin(&self) -> Option<&[u8]> {
        self.origin.as_ref().map(Name::bytes)
    }
}

/// Why a name is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A DT_NEEDED entry.
    Needed,
    /// `LD_PRELOAD` or `--preload`.
    Preload,
    /// `/etc/ld.so.preload`, which only root can write.
    SystemPreload,
    /// A call of the program.
    Open,
}

/// One name to look for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The name, which may be a path and may have tokens.
    pub name: &'a [u8],
    /// Who asks first, then whoever loaded the asker, and so on; the program is the last. Preloads are the program's wish. Those that have no list, and those behind an
    /// asker with a RUNPATH, may be left out.
    pub lineage: &'a [Link<'a>],
    /// Why.
    pub purpose: Purpose,
}

/// Which list a candidate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// The name is a path.
    Direct,
    /// DT_RPATH of this module.
    Rpath(Name),
    /// `LD_LIBRARY_PATH` or what replaces it.
    LibraryPath,
    /// DT_RUNPATH of this module.
    Runpath(Name),
    /// The cache file.
    Cache,
    /// The default directories.
    Default,
}

/// The list's name in glibc's words.
impl fmt::Display for Where {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Where::Direct => out.write_str("path"),
            Where::Rpath(of) => write!(out, "RPATH from file {of}"),
            Where::LibraryPath => out.write_str("LD_LIBRARY_PATH"),
            Where::Runpath(of) => write!(out, "RUNPATH from file {of}"),
            Where::Cache => out.write_str(CACHE_PATH),
            Where::Default => out.write_str("system search path"),
        }
    }
}

/// A path where the library may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The path. It is relative when the element was, as for glibc.
    pub path: Name,
    /// Its directory has been read and does not have it: there is nothing to open.
    pub is_absent: bool,
    /// Length of the directory of the list in `path`; 0 when the path does not come from a directory.
    directory: usize,
}

/// What a walk does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It starts on a list, which [`Walk::search_path`] shows.
    Entering(Where),
    /// It has a path to try.
    Try(Candidate),
}

/// What is known of the directories that searches have met.
#[derive(Debug, Default)]
pub struct Directories {
    known: Vec<Known>,
    /// By path: the place in `known`.
    by_path: Numbers,
    /// The list of a module that was taken apart last. A module's needs are looked for one after the other.
    last: Option<Expanded>,
    /// Room for the path of a candidate.
    path: Vec<u8>,
}

/// A directory.
#[derive(Debug)]
struct Known {
    path: Vec<u8>,
    exists: bool,
    /// Subdirectories for CPU levels are not there.
    has_no_levels: bool,
    /// How many names were looked for in vain.
    misses: usize,
    /// The [`name_hash`] of each name that it has, where that was worth finding out.
    names: Option<Vec<u32>>,
}

/// A directory is read when so many opens would have failed if all of its list were as often asked in vain.
const MANY_MISSES: usize = 16;

/// What stands for a name among those of a directory: the same for names that differ in the case of letters, which are one file to some file systems.
fn name_hash(name: &[u8]) -> u32 {
    let mix = |hash: u32, byte: &u8| hash.wrapping_mul(33).wrapping_add(byte.to_ascii_lowercase().into());
    name.iter().fold(0, mix)
}

/// A list of a module and its directories.
#[derive(Debug)]
struct Expanded {
    list: Vec<u8>,
    origin: Option<Vec<u8>>,
    is_program: bool,
    directories: Arc<Vec<Vec<u8>>>,
}

impl Directories {
    /// Nothing is known.
    #[inline(never)]
    pub const fn new() -> Directories {
        Directories {
            known: Vec::new(),
            by_path: Numbers::new(),
            last: None,
            path: Vec::new(),
        }
    }

    /// Whether the directory exists, if that is known.
    pub fn exists(&self, directory: &[u8]) -> Option<bool> {
        self.get(directory).map(|known| known.exists)
    }

    fn get(&self, directory: &[u8]) -> Option<&Known> {
        self.known.get(self.place(directory)?)
    }

    fn get_mut(&mut self, directory: &[u8]) -> Option<&mut Known> {
        let place = self.place(directory)?;
        self.known.get_mut(place)
    }

    #[inline(never)]
    fn place(&self, directory: &[u8]) -> Option<usize> {
        let is_meant = |place| {
            self.known
                .get(place as usize)
                .is_some_and(|known| known.path == directory)
        };
        let place = self.by_path.find(directory, &is_meant)?;
        Some(place as usize)
    }

    /// Remembers whether a directory exists.
    pub fn learn(&mut self, directory: &[u8], exists: bool) {
        match self.get_mut(directory) {
            Some(known) => known.exists = exists,
            None => {
                self.by_path.add(directory, self.known.len() as u32);
                self.known.push(Known {
                    path: owned(directory),
                    exists,
                    has_no_levels: false,
                    misses: 0,
                    names: None,
                });
            }
        }
        let parent = directory
            .strip_suffix(HWCAPS)
            .and_then(|parent| parent.strip_suffix(b"/"));
        if let Some(parent) = parent.and_then(|parent| self.get_mut(parent)) {
            parent.has_no_levels = !exists;
        }
    }

    /// Counts a name that a directory of a list of so many does not have. `true`, once, when it is worth reading.
    fn miss(&mut self, directory: &[u8], of: usize) -> bool {
        let Some(known) = self.get_mut(directory) else {
            return of >= MANY_MISSES;
        };
        let before = known.misses.saturating_mul(of);
        known.misses = known.misses.saturating_add(1);
        before < MANY_MISSES && known.misses.saturating_mul(of) >= MANY_MISSES
    }

    /// Remembers all names of a directory, each with a NUL behind.
    fn read(&mut self, directory: &[u8], names: &[u8]) {
        self.learn(directory, true);
        let hashes: Vec<u32> = names.split(|byte| *byte == 0).map(name_hash).collect();
        if !hashes.contains(&name_hash(HWCAPS)) {
            let mut levels = owned(directory);
            join(&mut levels, HWCAPS);
            self.learn(&levels, false);
        }
        if let Some(known) = self.get_mut(directory) {
            known.names = Some(hashes);
        }
    }

    /// Forgets everything, for a long-running process that wants to look again.
    pub fn clear(&mut self) {
        *self = Directories::new();
    }

    fn is_absent(&self, directory: &[u8]) -> bool {
        self.exists(directory) == Some(false)
    }
}

/// The searches of one process. It owns copies of what it was told, because the program may overwrite its
/// environment.
#[derive(Debug)]
pub struct Searcher<'c> {
    conventions: &'static Conventions,
    secure: bool,
    platform: Option<Vec<u8>>,
    hwcaps: Hwcaps,
    library_path: Vec<Vec<u8>>,
    default_directories: Vec<Vec<u8>>,
    inhibit_rpath: Option<Vec<u8>>,
    musl: Option<Vec<Vec<u8>>>,
    /// The cache file, if there is one and it may be used.
    pub cache: Option<Cache<'c>>,
}

impl<'c> Searcher<'c> {
    /// A searcher with these settings, and the cache if it may be used.
    #[inline(never)]
    pub fn new(settings: &Settings<'_>, cache: Option<Cache<'c>>) -> Searcher<'c> {
        let conventions = settings.conventions;
        let mut searcher = Searcher {
            conventions,
            secure: settings.secure,
            platform: settings.platform.map(owned),
            hwcaps: Hwcaps::new(
                conventions.usable_levels(settings.cpu_level),
                settings.hwcaps_prepend.filter(|_| !settings.secure),
                settings.hwcaps_mask.filter(|_| !settings.secure),
            ),
            library_path: Vec::new(),
            default_directories: Vec::with_capacity(conventions.directories.len()),
            inhibit_rpath: settings.inhibit_rpath.map(owned),
            musl: None,
            cache,
        };
        for directory in conventions.directories {
            searcher.default_directories.push(owned(directory.as_bytes()));
        }
        if let Some(path) = settings.library_path
            && !settings.secure
        {
            searcher.library_path = searcher.elements(path, b":;", settings.program_origin, true);
        }
        searcher
    }

    /// Searches as musl does from now on. `directories` (`ld-musl-*.path`) are in place of the default ones, the cache and all subdirectories for CPU levels, and
    /// `library_path` is split as these are: by colons or newlines, nothing between two of them is no directory, and `$ORIGIN` is nothing. What a secure process
    /// trusts stays the same. `libcs` are the names by which libc is looked for, besides the one that a file needs.
    pub fn search_as_musl(&mut self, directories: &[u8], library_path: Option<&[u8]>, libcs: &[&[u8]]) {
        self.musl = Some(libcs.iter().copied().map(owned).collect());
        self.cache = None;
        self.hwcaps = Hwcaps::default();
        self.default_directories = self.elements(directories, b":\n", None, true);
        if !self.library_path.is_empty() {
            self.library_path = self.elements(library_path.unwrap_or_default(), b":\n", None, true);
        }
    }

    /// In a process that searches as musl does: the names by which libc is looked for.
    pub fn musl(&self) -> Option<&[Vec<u8>]> {
        self.musl.as_deref()
    }

    /// The `glibc-hwcaps` subdirectories in use.
    pub fn hwcaps(&self) -> &Hwcaps {
        &self.hwcaps
    }

    /// The candidates for one name.
    pub fn walk<'s>(&'s self, request: &Request<'s>, directories: &'s mut Directories) -> Walk<'s> {
        Walk {
            searcher: self,
            directories,
            request: *request,
            hash: name_hash(request.name),
            plan: self.plan(request).into_iter(),
            source: Source::Direct,
            own: None,
            place: 0,
            level: 0,
        }
    }

    /// The lists that a request goes through.
    fn plan<'s>(&'s self, request: &Request<'s>) -> Vec<Source<'s>> {
        let mut plan = Vec::new();
        if request.name.is_empty() {
            return plan;
        }
        if has_byte(request.name, b'/') {
            plan.push(Source::Direct);
            return plan;
        }
        if self.secure && request.purpose == Purpose::Preload {
            plan.push(Source::Default);
            return plan;
        }
        if self.musl.is_some() {
            // Both lists of a module are one to musl, and inherited.
            plan.push(Source::LibraryPath);
            let own = |link: &'s Link<'s>| match link {
                Link { runpath: Some(_), .. } => Source::Runpath(link),
                _ => Source::Rpath(link),
            };
            plan.extend(request.lineage.iter().map(own));
            plan.push(Source::Default);
            return plan;
        }
        let asker = request.lineage.first();
        let runpath = asker.filter(|link| link.runpath.is_some());
        for link in request.lineage {
            if runpath.is_none() && link.runpath.is_none() && link.rpath.is_some() {
                plan.push(Source::Rpath(link));
            }
        }
        plan.push(Source::LibraryPath);
        if let Some(link) = runpath {
            plan.push(Source::Runpath(link));
        }
        let skip_defaults = asker.is_some_and(|asker| asker.no_default_directories);
        if let Some(cache) = &self.cache {
            plan.push(Source::Cache { cache, skip_defaults });
        }
        if !skip_defaults {
            plan.push(Source::Default);
        }
        plan
    }

    /// The paths that a name with a slash stands for.
    fn direct(&self, request: &Request<'_>) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        let asker = request.lineage.first();
        let origin = asker.and_then(Link::origin);
        let is_program = asker.is_none_or(|asker| asker.is_program);
        self.expand(request.name, origin, is_program, &mut |path| {
            let refused = match request.purpose {
                Purpose::Preload => true,
                Purpose::Needed => !path.starts_with(b"/"),
                Purpose::SystemPreload | Purpose::Open => false,
            };
            if !(self.secure && refused) {
                paths.push(path);
            }
        });
        paths
    }

    /// Replaces tokens; in a secure process, only as far as the result can be trusted.
    fn expand(&self, text: &[u8], origin: Option<&[u8]>, is_program: bool, take: &mut dyn FnMut(Vec<u8>)) {
        let values = Values {
            origin,
            platform: self.platform.as_deref(),
            lib: self.conventions.lib,
        };
        // Whoever may link to the program's file may choose its directory.
        let doubtful = self.secure && is_program && tokens::names_origin(text);
        tokens::expand(text, &values, self.secure, &mut |path| {
            if !doubtful || self.conventions.is_trusted(&path) {
                take(path);
            }
        });
    }

    /// The directories of a list, each once. A directory has no slash at its end; the empty one is the current directory, and to musl none.
    fn elements(&self, list: &[u8], separators: &[u8], origin: Option<&[u8]>, is_program: bool) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = Vec::new();
        if list.is_empty() {
            return all;
        }
        // A list may be as long as its user likes.
        let mut seen = Directories::new();
        for element in list.split(|byte| has_byte(separators, *byte)) {
            if element.is_empty() && self.musl.is_some() {
                continue;
            }
            self.expand(element, origin, is_program, &mut |mut path| {
                while path.len() > 1 && path.ends_with(b"/") {
                    path.pop();
                }
                if self.secure && !path.starts_with(b"/") {
                    return;
                }
                if seen.exists(&path).is_none() {
                    seen.learn(&path, true);
                    all.push(path);
                }
            });
        }
        all
    }

    /// The directories of a module's own list, unless its lists are not to be used.
    fn own_paths(&self, link: &Link<'_>, path: Option<&[u8]>, known: &mut Directories) -> Arc<Vec<Vec<u8>>> {
        let inhibited = |list: &Vec<u8>| {
            let mut names = list.split(|byte| matches!(byte, b':' | b' '));
            names.any(|name| name == link.name.bytes() || (link.is_program && name.is_empty()))
        };
        if self.inhibit_rpath.as_ref().is_some_and(inhibited) {
            return Arc::new(Vec::new());
        }
        let (list, origin, is_program) = (path.unwrap_or_default(), link.origin(), link.is_program);
        if let Some(last) = &known.last
            && last.list == list
            && last.origin.as_deref() == origin
            && last.is_program == is_program
        {
            return last.directories.clone();
        }
        let directories = Arc::new(self.elements(list, b":", origin, is_program));
        known.last = Some(Expanded {
            list: owned(list),
            origin: origin.map(owned),
            is_program,
            directories: directories.clone(),
        });
        directories
    }
}

/// A list of paths, or of directories.
#[derive(Clone, Copy)]
enum Source<'s> {
    Direct,
    Rpath(&'s Link<'s>),
    LibraryPath,
    Runpath(&'s Link<'s>),
    Cache { cache: &'s Cache<'s>, skip_defaults: bool },
    Default,
}

/// The candidates for one name, in order. See the module's documentation.
pub struct Walk<'s> {
    searcher: &'s Searcher<'s>,
    directories: &'s mut Directories,
    request: Request<'s>,
    /// Of the name that is looked for, among those of a directory.
    hash: u32,
    plan: vec::IntoIter<Source<'s>>,
    /// The list that the walk is in.
    source: Source<'s>,
    /// Its elements, unless the searcher has them.
    own: Option<Arc<Vec<Vec<u8>>>>,
    /// The next element.
    place: usize,
    /// The next `glibc-hwcaps` subdirectory in it; their number stands for the directory itself.
    level: usize,
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(candidate) = self.candidate() {
                return Some(Step::Try(candidate));
            }
            self.source = self.plan.next()?;
            if let Some(place) = self.enter() {
                return Some(Step::Entering(place));
            }
        }
    }
}

impl<'s> Walk<'s> {
    /// Whether the list has directories, not whole paths.
    pub fn has_directories(&self) -> bool {
        !matches!(self.source, Source::Direct | Source::Cache { .. })
    }

    /// The elements of the list that the walk is in.
    pub fn list(&self) -> &[Vec<u8>] {
        match self.source {
            Source::LibraryPath => &self.searcher.library_path,
            Source::Default => &self.searcher.default_directories,
            _ => self.own.as_deref().map_or(&[], Vec::as_slice),
        }
    }

    /// The list that the walk is in, as `LD_DEBUG=libs` shows it: directories separated by colons, without those that are
    /// known not to exist. `None` for the cache and for a path.
    pub fn search_path(&self) -> Option<Vec<u8>> {
        if !self.has_directories() {
            return None;
        }
        let names = self.searcher.hwcaps.names();
        let (mut text, mut shown) = (Vec::new(), Vec::new());
        let mut first = true;
        for directory in self.list() {
            for level in 0..=names.len() {
                leaf(&mut shown, directory, names.get(level));
                if self.is_absent(directory, &shown) {
                    continue;
                }
                if !first {
                    text.extend_from_slice(b":");
                }
                first = false;
                text.extend_from_slice(&shown);
            }
        }
        Some(text)
    }

    /// A directory on the way to the candidate of which nobody knows whether it exists, the outermost first. Ask after the candidate
    /// could not be opened because a name does not exist; [`Walk::learn`] the answer.
    pub fn unknown_directory<'a>(&self, candidate: &'a Candidate) -> Option<&'a [u8]> {
        if candidate.directory == 0 {
            return None;
        }
        let path = candidate.path.bytes();
        for at in candidate.directory..path.len() {
            let (directory, behind) = path.split_at_checked(at)?;
            if !directory.is_empty() && behind.starts_with(b"/") {
                match self.directories.exists(directory) {
                    Some(true) => {}
                    // Nothing is in what is not there.
                    Some(false) => return None,
                    None => return Some(directory),
                }
            }
        }
        None
    }

    /// Remembers whether a directory exists, and returns it.
    pub fn learn(&mut self, directory: &[u8], exists: bool) -> bool {
        self.directories.learn(directory, exists);
        exists
    }

    /// Counts a candidate that is not there. The directory of the list that it was looked for in, when that is worth reading; [`Walk::read`] the names.
    pub fn missed<'a>(&mut self, candidate: &'a Candidate) -> Option<&'a [u8]> {
        let directory = candidate.path.bytes().get(..candidate.directory)?;
        let of = self.list().len();
        (!directory.is_empty() && self.directories.miss(directory, of)).then_some(directory)
    }

    /// Remembers all names of a directory, each with a NUL behind.
    pub fn read(&mut self, directory: &[u8], names: &[u8]) {
        self.directories.read(directory, names);
    }

    /// Whether a directory of a list, or the subdirectory `leaf` of it, is known not to exist.
    fn is_absent(&self, directory: &[u8], leaf: &[u8]) -> bool {
        let between = leaf.iter().rposition(|byte| *byte == b'/');
        let between = between.and_then(|at| leaf.get(..at)).unwrap_or_default();
        self.directories.is_absent(directory)
            || (leaf.len() > directory.len()
                && (self.directories.is_absent(leaf) || self.directories.is_absent(between)))
    }

    /// Starts on the list, and says its name if that is worth telling.
    fn enter(&mut self) -> Option<Where> {
        let searcher = self.searcher;
        self.place = 0;
        let place = match self.source {
            Source::Direct => {
                self.own = Some(Arc::new(searcher.direct(&self.request)));
                return None;
            }
            Source::Cache { cache, skip_defaults } => {
                self.own = Some(Arc::new(self.cached(cache, skip_defaults)));
                return Some(Where::Cache);
            }
            Source::Rpath(link) => {
                self.own = Some(searcher.own_paths(link, link.rpath, self.directories));
                Where::Rpath(link.name.clone())
            }
            Source::Runpath(link) => {
                self.own = Some(searcher.own_paths(link, link.runpath, self.directories));
                Where::Runpath(link.name.clone())
            }
            Source::LibraryPath => Where::LibraryPath,
            Source::Default => Where::Default,
        };
        (!self.list().is_empty()).then_some(place)
    }

    fn cached(&self, cache: &Cache<'_>, skip_defaults: bool) -> Vec<Vec<u8>> {
        let conventions = self.searcher.conventions;
        let mut paths = Vec::new();
        for path in cache.lookup(self.request.name, conventions.cache_flags, &self.searcher.hwcaps) {
            if path.starts_with(b"/") && !(skip_defaults && conventions.is_trusted(path)) {
                paths.push(owned(path));
            }
        }
        paths
    }

    /// The next path of the current list.
    fn candidate(&mut self) -> Option<Candidate> {
        loop {
            self.list().get(self.place)?;
            let mut path = core::mem::take(&mut self.directories.path);
            let base = self.list().get(self.place)?;
            if !self.has_directories() {
                let path = Name::new(base);
                self.place = self.place.saturating_add(1);
                return Some(Candidate {
                    path,
                    is_absent: false,
                    directory: 0,
                });
            }
            let directory = base.len();
            let known = self.directories.get(base);
            let exists = known.is_none_or(|known| known.exists);
            let has_none = known.is_some_and(|known| known.has_no_levels) || !exists;
            let levels = self.searcher.hwcaps.names();
            let level = if has_none { levels.len() } else { self.level };
            let name = levels.get(level);
            let wanted = self.request.name;
            leaf(&mut path, base, name);
            let is_missing = !exists || (name.is_some() && self.directories.is_absent(&path));
            join(&mut path, wanted);
            let names = known.filter(|_| name.is_none()).and_then(|known| known.names.as_ref());
            let is_absent = names.is_some_and(|names| !names.contains(&self.hash));
            self.level = level.saturating_add(1);
            if name.is_none() {
                self.level = 0;
                self.place = self.place.saturating_add(1);
            }
            let name = Name::new(&path);
            self.directories.path = path;
            if !is_missing {
                return Some(Candidate {
                    path: name,
                    is_absent,
                    directory,
                });
            }
        }
    }
}

/// The directory that libraries for CPU levels stand in.
const HWCAPS: &[u8] = b"glibc-hwcaps";

/// Makes `path` a directory of libraries: that for the CPU level `name` in a directory, or the directory itself.
fn leaf(path: &mut Vec<u8>, directory: &[u8], name: Option<&&[u8]>) {
    path.clear();
    path.extend_from_slice(directory);
    if let Some(name) = name {
        join(path, HWCAPS);
        join(path, name);
    }
}

/// The directory of a path; `None` for a plain name.
#[inline(never)]
pub fn directory_of(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    path.get(..slash.max(1))
}

/// A copy of some bytes. A call, because there are many copies and none is in a hurry.
#[inline(never)]
fn owned(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// Makes the path of a directory, where the empty one is the current directory, that of `name` in it.
#[inline(never)]
fn join(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {

    use super::*;
    use alloc::string::{String, ToString};

    const SETTINGS: Settings<'static> = Settings {
        conventions: &X86_64,
        secure: false,
        library_path: None,
        inhibit_rpath: None,
        hwcaps_prepend: None,
        hwcaps_mask: None,
        cpu_level: 1,
        platform: Some(b"x86_64"),
        program_origin: Some(b"/opt/app/bin"),
    };

    const SECURE: Settings<'static> = Settings {
        secure: true,
        ..SETTINGS
    };

    /// A library of the name, in /opt/lib.
    fn library(name: &Name) -> Link<'static> {
        Link {
            name: name.clone(),
            origin: Some(Name::from("/opt/lib")),
            rpath: None,
            runpath: None,
            no_default_directories: false,
            is_program: false,
        }
    }

    /// The program, in /opt/app/bin.
    fn program(name: &Name) -> Link<'static> {
        Link {
            origin: Some(Name::from("/opt/app/bin")),
            is_program: true,
            ..library(name)
        }
    }

    fn needed<'a>(name: &'a str, lineage: &'a [Link<'a>]) -> Request<'a> {
        Request {
            name: name.as_bytes(),
            lineage,
            purpose: Purpose::Needed,
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The paths of a walk, without the lists.
    fn paths(searcher: &Searcher<'_>, request: &Request<'_>) -> Vec<String> {
        let mut directories = Directories::new();
        searcher
            .walk(request, &mut directories)
            .filter_map(|step| match step {
                Step::Try(candidate) => Some(text(candidate.path.bytes())),
                Step::Entering(_) => None,
            })
            .collect()
    }

    /// The lists of a walk that have something in them or that exist without.
    fn lists(searcher: &Searcher<'_>, request: &Request<'_>) -> Vec<String> {
        let mut directories = Directories::new();
        searcher
            .walk(request, &mut directories)
            .filter_map(|step| match step {
                Step::Entering(place) => Some(place.to_string()),
                Step::Try(_) => None,
            })
            .collect()
    }

    /// The paths before those of the default directories.
    fn paths_before_defaults(settings: &Settings<'_>, lineage: &[Link<'_>]) -> Vec<String> {
        let mut found = paths(&Searcher::new(settings, None), &needed("libx.so", lineage));
        found.truncate(found.len() - X86_64.directories.len());
        found
    }

    #[test]
    fn without_wishes_the_default_directories_are_searched_multiarch_first_and_lib64_before_lib() {
        let searcher = Searcher::new(&SETTINGS, None);
        let name = Name::from("p");
        assert_eq!(
            paths(&searcher, &needed("libx.so", &[program(&name)])),
            [
                "/lib/x86_64-linux-gnu/libx.so",
                "/usr/lib/x86_64-linux-gnu/libx.so",
                "/lib64/libx.so",
                "/usr/lib64/libx.so",
                "/lib/libx.so",
                "/usr/lib/libx.so",
            ]
        );
    }

    #[test]
    fn the_lists_come_in_the_documented_order() {
        let (lib, main) = (Name::from("lib"), Name::from("p"));
        let settings = Settings {
            library_path: Some(b"/llp"),
            ..SETTINGS
        };
        let file = cache_file();
        let searcher = Searcher::new(&settings, Some(Cache::parse(&file).unwrap()));
        let with_rpath = [
            Link {
                rpath: Some(b"/r"),
                ..library(&lib)
            },
            Link {
                rpath: Some(b"/r"),
                ..program(&main)
            },
        ];
        assert_eq!(
            lists(&searcher, &needed("libx.so", &with_rpath)),
            [
                "RPATH from file lib",
                "RPATH from file p",
                "LD_LIBRARY_PATH",
                "/etc/ld.so.cache",
                "system search path"
            ]
        );
        let with_runpath = [
            Link {
                runpath: Some(b"/r"),
                ..with_rpath[0].clone()
            },
            with_rpath[1].clone(),
        ];
        assert_eq!(
            lists(&searcher, &needed("libx.so", &with_runpath)),
            [
                "LD_LIBRARY_PATH",
                "RUNPATH from file lib",
                "/etc/ld.so.cache",
                "system search path"
            ]
        );
    }

    #[test]
    fn the_rpath_chain_leaves_out_links_that_have_runpath() {
        let (a, b, main) = (Name::from("a"), Name::from("b"), Name::from("p"));
        let lineage = [
            Link {
                rpath: Some(b"/a"),
                ..library(&a)
            },
            Link {
                rpath: Some(b"/b"),
                runpath: Some(b"/never"),
                ..library(&b)
            },
            Link {
                rpath: Some(b"/p"),
                ..program(&main)
            },
        ];
        assert_eq!(paths_before_defaults(&SETTINGS, &lineage), ["/a/libx.so", "/p/libx.so"]);
    }

    #[test]
    fn runpath_of_others_than_the_asker_is_not_used() {
        let (a, main) = (Name::from("a"), Name::from("p"));
        let lineage = [
            library(&a),
            Link {
                runpath: Some(b"/p"),
                ..program(&main)
            },
        ];
        assert!(paths_before_defaults(&SETTINGS, &lineage).is_empty());
    }

    #[test]
    fn origin_is_the_directory_of_the_file_that_holds_the_path() {
        let (a, main) = (Name::from("a"), Name::from("p"));
        let lineage = [
            Link {
                rpath: Some(b"$ORIGIN/x"),
                ..library(&a)
            },
            Link {
                rpath: Some(b"${ORIGIN}/../lib"),
                ..program(&main)
            },
        ];
        assert_eq!(
            paths_before_defaults(&SETTINGS, &lineage),
            ["/opt/lib/x/libx.so", "/opt/app/bin/../lib/libx.so"]
        );
    }

    #[test]
    fn the_library_path_takes_colons_and_semicolons_and_origin_is_the_programs() {
        let settings = Settings {
            library_path: Some(b"/a//;$ORIGIN:/a:/"),
            ..SETTINGS
        };
        assert_eq!(
            paths_before_defaults(&settings, &[]),
            ["/a/libx.so", "/opt/app/bin/libx.so", "/libx.so"]
        );
    }

    #[test]
    fn an_empty_element_is_the_current_directory_and_an_empty_list_is_nothing() {
        let main = Name::from("p");
        let settings = Settings {
            library_path: Some(b":rel/"),
            ..SETTINGS
        };
        assert_eq!(paths_before_defaults(&settings, &[]), ["libx.so", "rel/libx.so"]);
        let empty = Link {
            rpath: Some(b""),
            ..program(&main)
        };
        assert!(paths_before_defaults(&SETTINGS, &[empty]).is_empty());
    }

    #[test]
    fn lib_in_a_path_is_tried_as_debian_and_as_fedora_mean_it() {
        let main = Name::from("p");
        let link = Link {
            runpath: Some(b"/opt/$LIB"),
            ..program(&main)
        };
        assert_eq!(
            paths_before_defaults(&SETTINGS, &[link]),
            ["/opt/lib/x86_64-linux-gnu/libx.so", "/opt/lib64/libx.so"]
        );
    }

    #[test]
    fn a_name_with_a_slash_is_the_only_candidate() {
        let main = Name::from("p");
        let searcher = Searcher::new(&SETTINGS, None);
        let lineage = [program(&main)];
        assert_eq!(paths(&searcher, &needed("./libx.so", &lineage)), ["./libx.so"]);
        assert_eq!(
            paths(&searcher, &needed("$ORIGIN/libx.so", &lineage)),
            ["/opt/app/bin/libx.so"]
        );
        assert!(lists(&searcher, &needed("/a/libx.so", &lineage)).is_empty());
    }

    #[test]
    fn the_empty_name_is_nowhere() {
        assert!(paths(&Searcher::new(&SETTINGS, None), &needed("", &[])).is_empty());
    }

    #[test]
    fn inhibited_files_have_no_search_paths() {
        let (a, main) = (Name::from("/l/a"), Name::from("p"));
        let settings = Settings {
            inhibit_rpath: Some(b"x:/l/a"),
            ..SETTINGS
        };
        let lineage = [
            Link {
                rpath: Some(b"/a"),
                ..library(&a)
            },
            Link {
                rpath: Some(b"/p"),
                ..program(&main)
            },
        ];
        assert_eq!(paths_before_defaults(&settings, &lineage), ["/p/libx.so"]);
        let program_s = Settings {
            inhibit_rpath: Some(b""),
            ..SETTINGS
        };
        assert_eq!(paths_before_defaults(&program_s, &lineage), ["/a/libx.so"]);
    }

    #[test]
    fn each_directory_is_preceded_by_its_subdirectories_for_the_cpu() {
        let settings = Settings {
            library_path: Some(b"/a"),
            cpu_level: 3,
            hwcaps_prepend: Some(b"mine"),
            ..SETTINGS
        };
        let found = paths(&Searcher::new(&settings, None), &needed("libx.so", &[]));
        assert_eq!(
            found[..5],
            [
                "/a/glibc-hwcaps/mine/libx.so",
                "/a/glibc-hwcaps/x86-64-v3/libx.so",
                "/a/glibc-hwcaps/x86-64-v2/libx.so",
                "/a/libx.so",
                "/lib/x86_64-linux-gnu/glibc-hwcaps/mine/libx.so",
            ]
        );
    }

    #[test]
    fn a_cpu_of_the_baseline_uses_no_subdirectory_and_an_unheard_of_one_uses_all() {
        assert!(X86_64.usable_levels(0).is_empty());
        assert!(X86_64.usable_levels(1).is_empty());
        assert_eq!(X86_64.usable_levels(2), ["x86-64-v2"]);
        assert_eq!(X86_64.usable_levels(9), X86_64.levels);
    }

    #[test]
    fn a_directory_that_is_read_says_which_candidates_are_there() {
        let path: Vec<String> = (0..MANY_MISSES).map(|number| format!("/store/{number:02}")).collect();
        let path = path.join(":");
        let settings = Settings {
            library_path: Some(path.as_bytes()),
            cpu_level: 3,
            ..SETTINGS
        };
        let searcher = Searcher::new(&settings, None);
        let mut directories = Directories::new();
        let mut candidates = |name: &str, names: &[u8]| {
            let request = needed(name, &[]);
            let mut walk = searcher.walk(&request, &mut directories);
            let mut found = Vec::new();
            while let Some(step) = walk.next() {
                match step {
                    Step::Entering(Where::Default) => break,
                    Step::Entering(_) => {}
                    Step::Try(candidate) => {
                        if let Some(directory) = walk.missed(&candidate) {
                            walk.read(directory, names);
                        }
                        found.push((candidate.path, candidate.is_absent));
                    }
                }
            }
            found
        };
        // In a long list at the first miss, which is a subdirectory's.
        let first = candidates("libx.so", b"libx.so\0LIBY.so\0");
        let count = |found: &[(Name, bool)], absent| found.iter().filter(|(_, is_absent)| *is_absent == absent).count();
        assert_eq!((first.len(), count(&first, true)), (2 * MANY_MISSES, 0));
        for (name, is_absent) in [("libx.so", false), ("liby.so", false), ("libz.so", true)] {
            let found = candidates(name, b"");
            assert_eq!(
                (found.len(), count(&found, is_absent)),
                (MANY_MISSES, MANY_MISSES),
                "{name}"
            );
        }
    }

    #[test]
    fn a_directory_of_a_short_list_is_read_after_many_misses_and_once() {
        let settings = Settings {
            library_path: Some(b"/one:/two:/three:/four"),
            ..SETTINGS
        };
        let searcher = Searcher::new(&settings, None);
        let mut directories = Directories::new();
        let directory = b"/two";
        directories.learn(directory, true);
        let request = needed("libx.so", &[]);
        let read: Vec<usize> = (1..=2 * MANY_MISSES)
            .filter(|_| {
                let mut walk = searcher.walk(&request, &mut directories);
                let two = walk.find_map(|step| match step {
                    Step::Try(candidate) if candidate.path.bytes().starts_with(directory) => Some(candidate),
                    _ => None,
                });
                walk.missed(&two.unwrap()).is_some()
            })
            .collect();
        assert_eq!(read, [MANY_MISSES / 4]);
    }

    #[test]
    fn directories_that_do_not_exist_are_not_tried_again() {
        let settings = Settings {
            library_path: Some(b"/absent:/bare:/full"),
            cpu_level: 3,
            ..SETTINGS
        };
        let exists = |directory: &[u8]| !directory.starts_with(b"/absent") && directory != b"/bare/glibc-hwcaps";
        let searcher = Searcher::new(&settings, None);
        let mut directories = Directories::new();
        let mut tried = Vec::new();
        let mut asked = Vec::new();
        let mut walk = searcher.walk(&needed("libx.so", &[]), &mut directories);
        while let Some(step) = walk.next() {
            let candidate = match step {
                Step::Entering(Where::Default) => break,
                Step::Entering(_) => continue,
                Step::Try(candidate) => candidate,
            };
            tried.push(text(candidate.path.bytes()));
            while let Some(directory) = walk.unknown_directory(&candidate) {
                asked.push(text(directory));
                if !walk.learn(directory, exists(directory)) {
                    break;
                }
            }
        }
        assert_eq!(
            tried,
            [
                "/absent/glibc-hwcaps/x86-64-v3/libx.so",
                "/bare/glibc-hwcaps/x86-64-v3/libx.so",
                "/bare/libx.so",
                "/full/glibc-hwcaps/x86-64-v3/libx.so",
                "/full/glibc-hwcaps/x86-64-v2/libx.so",
                "/full/libx.so",
            ]
        );
        assert_eq!(asked[..3], ["/absent", "/bare", "/bare/glibc-hwcaps"]);
        assert_eq!(directories.exists(b"/full"), Some(true));
        assert_eq!(directories.exists(b"/elsewhere"), None);
    }

    #[test]
    fn the_search_path_is_shown_without_directories_that_do_not_exist() {
        let settings = Settings {
            library_path: Some(b":/a:/b"),
            cpu_level: 2,
            ..SETTINGS
        };
        let searcher = Searcher::new(&settings, None);
        let mut directories = Directories::new();
        directories.learn(b"/a", false);
        let mut walk = searcher.walk(&needed("libx.so", &[]), &mut directories);
        assert_eq!(walk.next(), Some(Step::Entering(Where::LibraryPath)));
        assert_eq!(
            text(&walk.search_path().unwrap()),
            "glibc-hwcaps/x86-64-v2::/b/glibc-hwcaps/x86-64-v2:/b"
        );
    }

    /// A cache that knows libx.so in a default directory and in /opt.
    fn cache_file() -> Vec<u8> {
        let mut file = b"glibc-ld.so.cache1.1".to_vec();
        for word in [2u32, 0, 2, 0, 0, 0, 0] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        for value in [104u32, 122] {
            for word in [0x0303, 96, value, 0, 0, 0] {
                file.extend_from_slice(&word.to_le_bytes());
            }
        }
        file.extend_from_slice(b"libx.so\0/usr/lib/libx.so\0\0/opt/libx.so\0");
        file
    }

    #[test]
    fn a_module_without_default_libraries_takes_neither_them_nor_their_cache_entries() {
        let main = Name::from("p");
        let file = cache_file();
        let searcher = Searcher::new(&SETTINGS, Some(Cache::parse(&file).unwrap()));
        let plain = program(&main);
        let strict = Link {
            no_default_directories: true,
            ..plain.clone()
        };
        assert_eq!(
            paths(&searcher, &needed("libx.so", &[plain]))[..2],
            ["/usr/lib/libx.so", "/opt/libx.so"]
        );
        assert_eq!(paths(&searcher, &needed("libx.so", &[strict])), ["/opt/libx.so"]);
    }

    #[test]
    fn a_secure_process_has_no_library_path_and_no_additional_subdirectories() {
        let settings = Settings {
            library_path: Some(b"/evil"),
            hwcaps_prepend: Some(b"evil"),
            ..SECURE
        };
        assert!(paths_before_defaults(&settings, &[]).is_empty());
    }

    #[test]
    fn a_secure_process_drops_relative_and_empty_elements() {
        let main = Name::from("p");
        for path in [":", "lib", "./lib:", "..", "/ok:$PLATFORM/x"] {
            let link = Link {
                runpath: Some(path.as_bytes()),
                ..program(&main)
            };
            let found = paths_before_defaults(&SECURE, &[link]);
            assert!(found.iter().all(|path| path == "/ok/libx.so"), "{found:?}");
        }
    }

    #[test]
    fn a_secure_process_takes_the_programs_origin_only_into_default_directories() {
        let main = Name::from("p");
        let link = Link {
            runpath: Some(b"$ORIGIN/../lib:/x/$ORIGIN:$ORIGIN"),
            ..program(&main)
        };
        assert!(paths_before_defaults(&SECURE, core::slice::from_ref(&link)).is_empty());
        let installed = Link {
            origin: Some(Name::from("/usr/bin")),
            ..link.clone()
        };
        assert_eq!(
            paths_before_defaults(&SECURE, &[installed]),
            ["/usr/bin/../lib/libx.so"]
        );
        let escaping = Link {
            origin: Some(Name::from("/usr/lib")),
            runpath: Some(b"$ORIGIN/../../tmp"),
            ..link
        };
        assert!(paths_before_defaults(&SECURE, &[escaping]).is_empty());
    }

    #[test]
    fn a_secure_process_trusts_the_origin_of_a_library() {
        let lib = Name::from("l");
        let link = Link {
            runpath: Some(b"$ORIGIN/private"),
            ..library(&lib)
        };
        assert_eq!(paths_before_defaults(&SECURE, &[link]), ["/opt/lib/private/libx.so"]);
    }

    #[test]
    fn a_secure_process_looks_for_preloads_in_default_directories_only() {
        let main = Name::from("p");
        let lineage = [Link {
            rpath: Some(b"/r"),
            ..program(&main)
        }];
        let file = cache_file();
        let searcher = Searcher::new(&SECURE, Some(Cache::parse(&file).unwrap()));
        let preload = |name| Request {
            purpose: Purpose::Preload,
            ..needed(name, &lineage)
        };
        assert_eq!(lists(&searcher, &preload("libx.so")), ["system search path"]);
        assert!(paths(&searcher, &preload("/lib/libx.so")).is_empty());
        let systems = Request {
            purpose: Purpose::SystemPreload,
            ..preload("/lib/libx.so")
        };
        assert_eq!(paths(&searcher, &systems), ["/lib/libx.so"]);
    }

    #[test]
    fn a_secure_process_needs_nothing_by_a_relative_path() {
        let main = Name::from("p");
        let lineage = [program(&main)];
        let searcher = Searcher::new(&SECURE, None);
        assert!(paths(&searcher, &needed("./libx.so", &lineage)).is_empty());
        let call = Request {
            purpose: Purpose::Open,
            ..needed("./libx.so", &lineage)
        };
        assert_eq!(paths(&searcher, &call), ["./libx.so"]);
    }

    #[test]
    fn a_libc_with_a_path_of_its_own_has_neither_cache_nor_subdirectories() {
        let settings = Settings {
            cpu_level: 4,
            ..SETTINGS
        };
        let file = cache_file();
        let mut searcher = Searcher::new(&settings, Some(Cache::parse(&file).unwrap()));
        searcher.search_as_musl(b"/lib\n/usr/local/lib:/usr/lib\n", None, &[]);
        let request = needed("libx.so", &[]);
        assert_eq!(lists(&searcher, &request), ["system search path"]);
        assert_eq!(
            paths(&searcher, &request),
            ["/lib/libx.so", "/usr/local/lib/libx.so", "/usr/lib/libx.so"]
        );
    }

    #[test]
    fn a_long_path_is_searched_in_full() {
        let long: Vec<u8> = b"/d:".repeat(30_000);
        let settings = Settings {
            library_path: Some(&long),
            ..SETTINGS
        };
        assert_eq!(paths_before_defaults(&settings, &[]), ["/d/libx.so", "libx.so"]);
    }
}
