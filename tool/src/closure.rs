//! All files that a start would bring together: the program, what it needs, what that needs, found by the rules of the loader's own
//! search, in a tree that need not be the running system and for a machine that need not be this one. Nothing is mapped or run.

pub mod musl;
mod rule;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use lode::error::Name;
use lode::search::cache::Cache;
use lode::search::{CACHE_PATH, Conventions, Directories, Link, Purpose, Request, Searcher, Settings, Step};
use nix::errno::Errno;
use serde::Serialize;

pub use rule::{Rule, file_name};

use crate::elf::notes::Optional;
use crate::elf::{self, Binary, EM_386, EM_AARCH64, EM_RISCV, EM_X86_64, recognise};
use crate::image::Start;
use crate::installation;
use crate::spelling;
use crate::tree::Tree;

/// How many names the files of a closure may ask for: many times what the largest programs do, and few enough to be looked for in seconds.
const MOST_EDGES: usize = 30_000;

/// `DT_FLAGS_1`, and its bit DF_1_NODEFLIB: default directories are not for what this file needs.
const DT_FLAGS_1: u64 = 0x6fff_fffb;
const NODEFLIB: u64 = 0x800;

/// Other machines' directories. Debian's multiarch pair comes first, as for the machines that the loader knows.
static I386: Conventions = Conventions {
    directories: &[
        "/lib/i386-linux-gnu",
        "/usr/lib/i386-linux-gnu",
        "/lib32",
        "/usr/lib32",
        "/lib",
        "/usr/lib",
    ],
    lib: &["lib/i386-linux-gnu", "lib"],
    cache_flags: 0x0003,
    levels: &[],
};
static RISCV64: Conventions = Conventions {
    directories: &[
        "/lib/riscv64-linux-gnu",
        "/usr/lib/riscv64-linux-gnu",
        "/lib64/lp64d",
        "/usr/lib64/lp64d",
        "/lib64",
        "/usr/lib64",
        "/lib",
        "/usr/lib",
    ],
    lib: &["lib/riscv64-linux-gnu", "lib64/lp64d"],
    cache_flags: 0x1003,
    levels: &[],
};
static OTHER: Conventions = Conventions {
    directories: &["/lib64", "/usr/lib64", "/lib", "/usr/lib"],
    lib: &["lib64", "lib"],
    cache_flags: 0x0003,
    levels: &[],
};

/// Where the systems of a machine, which is `e_machine` and the bits of an address, keep their libraries, and what the kernel calls it in AT_PLATFORM
/// (`$PLATFORM`): of 32-bit x86 the usual answer.
fn conventions((machine, bits): (u16, u8)) -> (&'static Conventions, Option<&'static [u8]>) {
    match (machine, bits) {
        (EM_X86_64, _) => (&lode::search::X86_64, Some(b"x86_64")),
        (EM_AARCH64, _) => (&lode::search::AARCH64, Some(b"aarch64")),
        (EM_386, _) => (&I386, Some(b"i686")),
        (EM_RISCV, 64) => (&RISCV64, None),
        _ => (&OTHER, None),
    }
}

/// Whose rules a program's loader follows, by the name of its interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// glibc's, which are lode's too
    Glibc,
    /// musl's: its own list of directories, no cache, and libc under all its old names
    Musl,
}

impl Flavour {
    /// The flavour of a program or library: a program names its loader, a library the libc that it needs.
    pub fn of(binary: &Binary) -> Flavour {
        let needs_musl = || {
            let mut needed = binary.needed.iter();
            needed.any(|name| name.contains("libc.musl-") || name == "libc.so")
        };
        let is_musl = match &binary.interpreter {
            Some(loader) if loader.contains("ld-musl-") => true,
            // lode under its own name is the loader of both.
            Some(loader) if !file_name(loader).starts_with("ld-lode") => false,
            _ => needs_musl(),
        };
        if is_musl { Flavour::Musl } else { Flavour::Glibc }
    }
}

/// What a search depends on besides the files.
#[derive(Debug)]
pub struct Surroundings {
    /// The root file system
    pub tree: Tree,
    /// LD_LIBRARY_PATH or `--library-path`
    pub library_path: Option<OsString>,
    /// Level of the CPU, 1 to 4; 1 leaves the `glibc-hwcaps` subdirectories out
    pub cpu_level: u8,
    /// Whether LD_BIND_NOW is set, so that no function slot waits for its call
    pub bind_now: bool,
    /// How the program of an image is started, if the tree is that of one
    pub start: Option<Start>,
}

impl Surroundings {
    /// What the loader's search is told for a machine: `e_machine`, bits of an address. `program_origin` is the program's directory, in the tree.
    pub fn settings<'a>(&'a self, machine: (u16, u8), program_origin: Option<&'a [u8]>) -> Settings<'a> {
        let (conventions, platform) = conventions(machine);
        Settings {
            conventions,
            secure: false,
            library_path: self.library_path.as_deref().map(OsStr::as_bytes),
            inhibit_rpath: None,
            hwcaps_prepend: None,
            hwcaps_mask: None,
            cpu_level: self.cpu_level,
            platform,
            program_origin,
        }
    }
}

/// The psABI level of this computer's CPU, 1 to 4.
pub fn cpu_level() -> u8 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let second = has!("sse4.2") && has!("popcnt") && has!("ssse3") && has!("cmpxchg16b");
        let third = second
            && has!("avx2")
            && has!("bmi1")
            && has!("bmi2")
            && has!("fma")
            && has!("f16c")
            && has!("lzcnt")
            && has!("movbe");
        let fourth =
            third && has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
        1 + u8::from(second) + u8::from(third) + u8::from(fourth)
    }
    #[cfg(not(target_arch = "x86_64"))]
    1
}

/// Where programs for a machine look for their loader, if there is one such place.
fn usual_loader(header: &elf::Header, flavour: Flavour) -> Option<&'static str> {
    Some(match (header.machine, header.bits, flavour) {
        (EM_X86_64, 64, Flavour::Glibc) => "/lib64/ld-linux-x86-64.so.2",
        (EM_386, _, Flavour::Glibc) => "/lib/ld-linux.so.2",
        (EM_AARCH64, 64, Flavour::Glibc) => "/lib/ld-linux-aarch64.so.1",
        (EM_RISCV, 64, Flavour::Glibc) => "/lib/ld-linux-riscv64-lp64d.so.1",
        (EM_X86_64, 64, Flavour::Musl) => "/lib/ld-musl-x86_64.so.1",
        (EM_386, _, Flavour::Musl) => "/lib/ld-musl-i386.so.1",
        (EM_AARCH64, 64, Flavour::Musl) => "/lib/ld-musl-aarch64.so.1",
        (EM_RISCV, 64, Flavour::Musl) => "/lib/ld-musl-riscv64.so.1",
        _ => return None,
    })
}

/// A path that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The path, in the tree
    pub path: String,
    /// The list that it comes from
    pub rule: Rule,
    /// Why it was not taken; `None` if it was
    pub refused: Option<String>,
}

/// How a file asks for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// PT_INTERP
    Interpreter,
    /// LD_PRELOAD, in the program's name
    Preload,
    /// DT_NEEDED: the how manieth, from 1
    Needed(usize),
}

/// In the words of the file format.
impl Display for Means {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Means::Interpreter => out.write_str("PT_INTERP"),
            Means::Preload => out.write_str("LD_PRELOAD"),
            Means::Needed(place) => write!(out, "DT_NEEDED #{place}"),
        }
    }
}

/// How one file got the other.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Index of the file that asks
    pub asker: usize,
    /// How it asks
    pub means: Means,
    /// The name that it asks for
    pub name: String,
    /// Index of the file that is taken
    pub target: Option<usize>,
    /// The rule that found it; `None` if nothing did
    pub rule: Option<Rule>,
    /// Paths that were looked at, the taken one last
    pub attempts: Vec<Attempt>,
    /// In a survey: paths that would have been looked at next, without the taken one
    pub later: Vec<Attempt>,
}

/// One file of a closure.
#[derive(Debug)]
pub struct Object {
    /// Its path in the tree, as the search made it
    pub path: String,
    /// The same without symbolic links: two objects of one closure never share it
    pub real: PathBuf,
    /// Index of the file that loaded it
    pub asker: Option<usize>,
    /// What found it
    pub rule: Rule,
    /// Its content
    pub binary: Binary,
    /// DT_RPATH and DT_RUNPATH, in bytes
    rpath: Option<Vec<u8>>,
    runpath: Option<Vec<u8>>,
}

impl Object {
    /// Its last path component.
    pub fn file_name(&self) -> &str {
        file_name(&self.path)
    }
}

/// A library that one file may open while it runs, by its own word.
#[derive(Debug)]
pub struct Possibility {
    /// Index of the file
    pub asker: usize,
    /// What the file says
    pub wish: Optional,
    /// The first of its names that is there: the path, and what found it
    pub found: Option<(String, Rule)>,
}

/// The program first, then its libraries breadth-first, in the order of a global scope.
#[derive(Debug)]
pub struct Closure {
    /// The files
    pub objects: Vec<Object>,
    /// What was asked for, in order
    pub edges: Vec<Edge>,
    /// What may be opened later; of these only the first file is looked for, not what it needs
    pub possibilities: Vec<Possibility>,
    /// Whose rules were followed
    pub flavour: Flavour,
    /// Index of the program's interpreter, if it exists in the tree
    pub interpreter: Option<usize>,
}

impl Closure {
    /// Finds all that `program`, a path in the tree, brings along; `preloads` come right behind it.
    ///
    /// # Errors
    /// The program cannot be read or is no ELF file. What is wrong further down stands in the edges.
    pub fn of(program: &Path, preloads: &[String], surroundings: &Surroundings) -> Result<Closure> {
        Closure::find(program, preloads, surroundings, false)
    }

    /// As [`Closure::of`], but each search goes through all its lists, also when it has found something ([`Edge::later`]).
    ///
    /// # Errors
    /// As there.
    pub fn survey(program: &Path, preloads: &[String], surroundings: &Surroundings) -> Result<Closure> {
        Closure::find(program, preloads, surroundings, true)
    }

    fn find(program: &Path, preloads: &[String], surroundings: &Surroundings, is_survey: bool) -> Result<Closure> {
        let real = surroundings.tree.resolve(program)?;
        let binary = Binary::open(&surroundings.tree.outside(&real))?;
        let bytes = surroundings
            .tree
            .resolve(Path::new(CACHE_PATH))
            .and_then(|path| Ok(fs::read(surroundings.tree.outside(&path))?));
        let bytes = bytes.unwrap_or_default();
        let mut finder = Finder::new(binary, program, real, &bytes, surroundings);
        finder.is_survey = is_survey;
        finder.add_interpreter();
        for name in preloads {
            finder.ask(0, name, Means::Preload);
        }
        let mut asked = 0;
        while asked < finder.closure.objects.len() {
            // The interpreter stands in the list where it is needed; what it needs itself is never looked for.
            if Some(asked) != finder.closure.interpreter {
                let needed = finder.closure.objects[asked].binary.needed.clone();
                if finder.closure.edges.len() + needed.len() > MOST_EDGES {
                    let path = &finder.closure.objects[asked].path;
                    let text = format!(
                        "with the {} names that it needs, more than {MOST_EDGES} are asked for; lode-tool looks for no more",
                        needed.len()
                    );
                    return Err(anyhow::Error::new(recognise::Beyond(text)).context(path.clone()));
                }
                for (place, name) in (1..).zip(&needed) {
                    finder.ask(asked, name, Means::Needed(place));
                }
            }
            asked += 1;
        }
        finder.look_for_possibilities();
        Ok(finder.closure)
    }

    /// What was asked for, in the order in which a loader meets it: the program's preloads and needs, then those of each file that
    /// came by that, each file and each missing name once. The interpreter stands where it is needed, or at the end.
    pub fn load_order(&self) -> Vec<&Edge> {
        let mut order: Vec<&Edge> = Vec::new();
        let mut queue = VecDeque::from([0]);
        let mut met = vec![false; self.objects.len()];
        met[0] = true;
        while let Some(asker) = queue.pop_front() {
            let edges = self.edges.iter().filter(|edge| edge.asker == asker);
            for edge in edges.filter(|edge| edge.means != Means::Interpreter) {
                match edge.target {
                    Some(target) if met[target] => {}
                    Some(target) => {
                        met[target] = true;
                        queue.push_back(target);
                        order.push(edge);
                    }
                    None if order
                        .iter()
                        .any(|other| other.target.is_none() && other.name == edge.name) => {}
                    None => order.push(edge),
                }
            }
        }
        let rest = self.edges.iter().filter(|edge| edge.means == Means::Interpreter);
        order.extend(rest.filter(|edge| edge.target.is_none_or(|target| !met[target])));
        order
    }

    /// What has to be there and was not found. A preload that is not there is left out by a loader, with a warning.
    pub fn missing(&self) -> impl Iterator<Item = &Edge> {
        let edges = self.edges.iter().filter(|edge| edge.means != Means::Preload);
        edges.filter(|edge| edge.target.is_none())
    }

    /// The first object that goes by this name: soname, file name, or path.
    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.objects.iter().position(|object| {
            object.path == name || object.file_name() == name || object.binary.soname.as_deref() == Some(name)
        })
    }

    /// The object that a program of musl takes for its libc, by one of the many names of that.
    pub fn libc_of_musl(&self) -> Option<&Object> {
        let is_libcs = |edge: &&Edge| self.flavour == Flavour::Musl && musl::is_own(&edge.name);
        let index = self.edges.iter().filter(is_libcs).find_map(|edge| edge.target)?;
        self.objects.get(index)
    }

    /// The shortest way from the program to an object: its askers, the program first, itself last.
    pub fn way_to(&self, object: usize) -> Vec<usize> {
        let mut before: BTreeMap<usize, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([0]);
        while let Some(next) = queue.pop_front() {
            for target in self
                .edges
                .iter()
                .filter(|edge| edge.asker == next)
                .filter_map(|edge| edge.target)
            {
                if target != 0 && !before.contains_key(&target) {
                    before.insert(target, next);
                    queue.push_back(target);
                }
            }
        }
        let mut way = vec![object];
        let mut at = object;
        while let Some(asker) = before.get(&at) {
            way.push(*asker);
            at = *asker;
        }
        way.reverse();
        way
    }
}

/// A closure in the making.
struct Finder<'a> {
    closure: Closure,
    /// The first object that answers to a name, and the object of a real path
    by_name: HashMap<String, usize>,
    by_path: HashMap<PathBuf, usize>,
    searcher: Searcher<'a>,
    directories: Directories,
    /// Where a musl system keeps its libraries
    musl_directories: String,
    /// musl's libc, which is its interpreter too unless lode is
    musl_libc: Option<usize>,
    /// Whether searches go on when they have found something
    is_survey: bool,
    surroundings: &'a Surroundings,
}

impl<'a> Finder<'a> {
    fn new(
        binary: Binary,
        program: &Path,
        real: PathBuf,
        cache: &'a [u8],
        surroundings: &'a Surroundings,
    ) -> Finder<'a> {
        let flavour = Flavour::of(&binary);
        let origin = real
            .parent()
            .map(|folder| folder.as_os_str().as_encoded_bytes().to_vec());
        let machine = (binary.header.machine, binary.header.bits);
        let settings = surroundings.settings(machine, origin.as_deref());
        let searcher = Searcher::new(&settings, Cache::parse(cache).ok());
        let musl_directories = musl::directories(&binary, surroundings);
        let program = Object {
            path: spelling::of(program),
            real,
            asker: None,
            rule: Rule::Program,
            rpath: binary.rpath.as_deref().map(spelling::bytes),
            runpath: binary.runpath.as_deref().map(spelling::bytes),
            binary,
        };
        let mut by_name = HashMap::new();
        by_name.extend(program.binary.soname.clone().map(|name| (name, 0)));
        Finder {
            by_name,
            by_path: HashMap::from([(program.real.clone(), 0)]),
            closure: Closure {
                objects: vec![program],
                edges: Vec::new(),
                possibilities: Vec::new(),
                flavour,
                interpreter: None,
            },
            searcher,
            directories: Directories::new(),
            musl_directories,
            musl_libc: None,
            is_survey: false,
            surroundings,
        }
    }

    /// The interpreter is mapped by the kernel, and libraries may need it by its soname.
    fn add_interpreter(&mut self) {
        let Some(path) = self.closure.objects[0].binary.interpreter.clone() else {
            return;
        };
        let found = self.open(&path);
        let mut refused = None;
        let mut target = None;
        match found {
            Ok((real, binary)) => target = Some(self.place(path.clone(), real, binary, 0, Rule::Interpreter)),
            Err(why) => refused = Some(why.text),
        }
        self.closure.interpreter = target;
        if self.closure.flavour == Flavour::Musl {
            let is_lode = |target: usize| installation::is_lode(&self.closure.objects[target].binary.bytes);
            self.musl_libc = target.filter(|target| !is_lode(*target));
        }
        self.closure.edges.push(Edge {
            asker: 0,
            means: Means::Interpreter,
            name: path.clone(),
            target,
            rule: target.map(|_| Rule::Interpreter),
            attempts: vec![Attempt {
                path,
                rule: Rule::Interpreter,
                refused,
            }],
            later: Vec::new(),
        });
    }

    /// Finds what goes by `name`, and adds it unless it is there.
    fn ask(&mut self, asker: usize, name: &str, means: Means) {
        let present = self.already(name).or_else(|| self.adopt_loader(asker, name));
        let mut edge = Edge {
            asker,
            means,
            name: name.to_owned(),
            target: present,
            rule: present.map(|_| Rule::Loaded),
            attempts: Vec::new(),
            later: Vec::new(),
        };
        if present.is_none() {
            let search = self.search(asker, name, means);
            edge.rule = search.found.as_ref().map(|found| found.rule.clone());
            edge.target = search
                .found
                .map(|found| self.place(found.path, found.real, found.binary, asker, found.rule));
            if self.closure.flavour == Flavour::Musl && musl::is_own(name) {
                self.musl_libc = edge.target;
            }
            (edge.attempts, edge.later) = (search.attempts, search.later);
        }
        self.closure.edges.push(edge);
    }

    /// A library says nothing of its loader, but one will be there that answers to its soname: that of the machine's systems.
    fn adopt_loader(&mut self, asker: usize, name: &str) -> Option<usize> {
        if self.closure.interpreter.is_some() || self.closure.objects[0].binary.interpreter.is_some() {
            return None;
        }
        let path = usual_loader(&self.closure.objects[0].binary.header, self.closure.flavour)?;
        let is_its_name = match self.closure.flavour {
            Flavour::Glibc => file_name(path) == name,
            Flavour::Musl => musl::is_own(name),
        };
        let (real, binary) = is_its_name.then(|| self.open(path).ok()).flatten()?;
        let target = self.place(path.to_owned(), real, binary, asker, Rule::Interpreter);
        self.closure.interpreter = Some(target);
        self.musl_libc = Some(target);
        Some(target)
    }

    /// Looks for what notes name, in the name of the file that has the note.
    fn look_for_possibilities(&mut self) {
        for asker in 0..self.closure.objects.len() {
            for wish in self.closure.objects[asker].binary.optional() {
                let mut found = None;
                for name in &wish.soname {
                    found = match self.already(name) {
                        Some(target) => Some((self.closure.objects[target].path.clone(), Rule::Loaded)),
                        None => {
                            let search = self.search(asker, name, Means::Needed(0));
                            search.found.map(|found| (found.path, found.rule))
                        }
                    };
                    if found.is_some() {
                        break;
                    }
                }
                self.closure.possibilities.push(Possibility { asker, wish, found });
            }
        }
    }

    /// A loaded object that answers to a name without a search. musl is its own libpthread, libm, and so on.
    fn already(&self, name: &str) -> Option<usize> {
        let is_musl = self.closure.flavour == Flavour::Musl;
        if is_musl && musl::is_own(name) {
            return self.musl_libc;
        }
        if name.contains('/') {
            let real = self.surroundings.tree.resolve(&spelling::path(name)).ok()?;
            return self.by_path.get(&real).copied();
        }
        if is_musl {
            // musl knows a library by the name that it was found by; sonames mean nothing to it.
            let mut edges = self.closure.edges.iter();
            return edges.find(|edge| edge.name == name)?.target;
        }
        self.by_name.get(name).copied()
    }

    fn search(&mut self, asker: usize, name: &str, means: Means) -> Search {
        match self.closure.flavour {
            Flavour::Glibc => self.search_as_glibc(asker, name, means),
            Flavour::Musl => self.search_as_musl(asker, name, means),
        }
    }

    fn search_as_musl(&self, asker: usize, name: &str, means: Means) -> Search {
        let asker = Some(asker).filter(|_| means != Means::Preload);
        let library_path = self.surroundings.library_path.as_deref().map(spelling::word);
        let library_path = library_path.as_deref();
        let candidates = if name.contains('/') {
            vec![(Rule::Path, name.to_owned())]
        } else {
            musl::candidates(name, asker, &self.closure.objects, library_path, &self.musl_directories)
        };
        let mut search = Search::default();
        for (rule, path) in candidates {
            // musl takes the first file of the name, whatever is in it.
            match self.open(&path) {
                Ok(file) => search.take(path, rule, file),
                Err(why) => {
                    search.refuse(path, rule, why.text);
                    search.is_over |= why.ends_search_of_musl;
                }
            }
            if search.is_over && !self.is_survey {
                break;
            }
        }
        search
    }

    fn search_as_glibc(&mut self, asker: usize, name: &str, means: Means) -> Search {
        let mut search = Search::default();
        let lineage = lineage(&self.closure.objects, asker);
        let bytes = spelling::bytes(name);
        let request = Request {
            name: &bytes,
            lineage: &lineage,
            purpose: match means {
                Means::Preload => Purpose::Preload,
                _ => Purpose::Needed,
            },
        };
        let mut directories = std::mem::take(&mut self.directories);
        let mut walk = self.searcher.walk(&request, &mut directories);
        let mut rule = Rule::Path;
        while let Some(step) = walk.next() {
            let candidate = match step {
                Step::Entering(place) => {
                    rule = Rule::from(&place);
                    continue;
                }
                Step::Try(candidate) => candidate,
            };
            let path = spelling::text(candidate.path.bytes());
            match self.open(&path) {
                Ok(file) => search.take(path, rule.clone(), file),
                Err(why) => {
                    while why.is_absent
                        && let Some(directory) = walk.unknown_directory(&candidate)
                    {
                        let exists = self.surroundings.tree.is_directory(directory);
                        if !walk.learn(directory, exists) {
                            break;
                        }
                    }
                    search.refuse(path, rule.clone(), why.text);
                    search.is_over |= why.ends_search;
                }
            }
            if search.is_over && !self.is_survey {
                break;
            }
        }
        self.directories = directories;
        search
    }

    /// The index of a found file, which is the one of the object that it is already, if it is.
    fn place(&mut self, path: String, real: PathBuf, binary: Binary, asker: usize, rule: Rule) -> usize {
        if let Some(known) = self.by_path.get(&real) {
            return *known;
        }
        let index = self.closure.objects.len();
        for name in [Some(file_name(&path)), binary.soname.as_deref()].into_iter().flatten() {
            self.by_name.entry(name.to_owned()).or_insert(index);
        }
        self.by_path.insert(real.clone(), index);
        self.closure.objects.push(Object {
            path,
            real,
            asker: Some(asker),
            rule,
            rpath: binary.rpath.as_deref().map(spelling::bytes),
            runpath: binary.runpath.as_deref().map(spelling::bytes),
            binary,
        });
        index
    }

    /// Opens a candidate, and holds its class and machine against the program's.
    fn open(&self, path: &str) -> Result<(PathBuf, Binary), Refused> {
        let tree = &self.surroundings.tree;
        let real = tree
            .resolve(&spelling::path(path))
            .map_err(|error| Refused::absent(&error))?;
        let bytes = recognise::read(&tree.outside(&real)).map_err(|error| Refused::absent(&error))?;
        let binary = Binary::parse(bytes).map_err(|error| Refused {
            text: error.to_string(),
            is_absent: false,
            ends_search: true,
            ends_search_of_musl: true,
        })?;
        let program = &self.closure.objects[0].binary.header;
        // A file of another class or machine is passed over; one of the other byte order is taken for a damaged one (lode and glibc alike).
        if binary.header.bits == program.bits && binary.header.little_endian != program.little_endian {
            return Err(Refused {
                text: "an ELF file of the other byte order".to_owned(),
                is_absent: false,
                ends_search: true,
                ends_search_of_musl: true,
            });
        }
        if (binary.header.bits, binary.header.machine) != (program.bits, program.machine) {
            let text = format!(
                "for {}, not for {}",
                binary.header.machine_name(),
                program.machine_name()
            );
            return Err(Refused {
                text,
                is_absent: false,
                ends_search: false,
                ends_search_of_musl: true,
            });
        }
        Ok((real, binary))
    }
}

/// What a search came to.
#[derive(Default)]
struct Search {
    found: Option<Found>,
    attempts: Vec<Attempt>,
    /// Something was found, or a damaged file ended the search.
    is_over: bool,
    /// What a survey looked at after that
    later: Vec<Attempt>,
}

/// A file that a search takes.
struct Found {
    path: String,
    real: PathBuf,
    binary: Binary,
    rule: Rule,
}

impl Search {
    fn take(&mut self, path: String, rule: Rule, (real, binary): (PathBuf, Binary)) {
        self.note(path.clone(), rule.clone(), None);
        if !self.is_over {
            self.is_over = true;
            self.found = Some(Found {
                path,
                real,
                binary,
                rule,
            });
        }
    }

    fn refuse(&mut self, path: String, rule: Rule, why: String) {
        self.note(path, rule, Some(why));
    }

    fn note(&mut self, path: String, rule: Rule, refused: Option<String>) {
        let list = if self.is_over {
            &mut self.later
        } else {
            &mut self.attempts
        };
        list.push(Attempt { path, rule, refused });
    }
}

/// Why a candidate is not taken.
struct Refused {
    text: String,
    /// Whether nothing is there
    is_absent: bool,
    /// Whether the search is over: a damaged file of the right name
    ends_search: bool,
    /// Whether that of musl's loader is, which passes over nothing that it can open
    ends_search_of_musl: bool,
}

impl Refused {
    fn absent(error: &anyhow::Error) -> Refused {
        let error_of_system = error.downcast_ref::<io::Error>();
        let text = match error_of_system {
            Some(error) => words(error),
            None => error.root_cause().to_string(),
        };
        let errno = error_of_system.and_then(io::Error::raw_os_error).map(Errno::from_raw);
        let passed_over = [Errno::ENOENT, Errno::ENOTDIR, Errno::EACCES, Errno::ENAMETOOLONG];
        Refused {
            text,
            is_absent: errno == Some(Errno::ENOENT),
            ends_search: false,
            ends_search_of_musl: !errno.is_some_and(|errno| passed_over.contains(&errno)),
        }
    }
}

/// What the kernel answered, without the number that Rust adds.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Who asks, who loaded the asker, and so on up to the program.
fn lineage(objects: &[Object], asker: usize) -> Vec<Link<'_>> {
    let mut lineage = Vec::new();
    let mut next = objects.get(asker);
    while let Some(object) = next {
        next = object.asker.and_then(|asker| objects.get(asker));
        // Of those behind the asker only RPATH counts; chains of files may be long.
        if !lineage.is_empty() && object.asker.is_some() && object.binary.rpath.is_none() {
            continue;
        }
        // The program's place is what the kernel says, a library's what it was found by.
        let found = spelling::path(&object.path);
        let place = match object.asker {
            Some(_) if found.is_absolute() => found.as_path(),
            _ => object.real.as_path(),
        };
        let folder = place
            .parent()
            .map(|folder| Name::new(folder.as_os_str().as_encoded_bytes()));
        lineage.push(Link {
            name: Name::new(&spelling::bytes(&object.path)),
            origin: folder,
            rpath: object.rpath.as_deref(),
            runpath: object.runpath.as_deref(),
            no_default_directories: object
                .binary
                .dynamic_value(DT_FLAGS_1)
                .is_some_and(|flags| flags & NODEFLIB != 0),
            is_program: object.asker.is_none(),
        });
    }
    lineage
}
