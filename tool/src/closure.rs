//! All files that a start would bring together: the program, what it needs, what that needs, found by the rules of the loader's own
//! search, in a tree that need not be the running system and for a machine that need not be this one. Nothing is mapped or run.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lode::error::Name;
use lode::search::cache::Cache;
use lode::search::{CACHE_PATH, Conventions, Directories, Link, Purpose, Request, Searcher, Settings, Step};
use serde::Serialize;

use crate::elf::{self, Binary, EM_386, EM_AARCH64, EM_RISCV, EM_X86_64, recognise};
use crate::tree::Tree;

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

/// Where a machine's systems keep their libraries.
fn conventions(header: &elf::Header) -> &'static Conventions {
    match header.machine {
        EM_X86_64 => &lode::search::X86_64,
        EM_AARCH64 => &lode::search::AARCH64,
        EM_386 => &I386,
        EM_RISCV => &RISCV64,
        _ => &OTHER,
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
        let is_musl = |name: &String| name.contains("ld-musl-") || name.contains("libc.musl-") || name == "libc.so";
        if binary.interpreter.iter().chain(&binary.needed).any(is_musl) {
            Flavour::Musl
        } else {
            Flavour::Glibc
        }
    }
}

/// What a search depends on besides the files.
#[derive(Debug)]
pub struct Surroundings {
    /// The root file system
    pub tree: Tree,
    /// LD_LIBRARY_PATH or `--library-path`
    pub library_path: Option<String>,
    /// Level of the CPU, 1 to 4; 1 leaves the `glibc-hwcaps` subdirectories out
    pub cpu_level: u8,
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

/// A path that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The path, in the tree
    pub path: String,
    /// The list that it comes from, in the words of LD_DEBUG
    pub rule: String,
    /// Why it was not taken; `None` if it was
    pub refused: Option<String>,
}

/// How one file got the other.
#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    /// Index of the file that asks
    pub asker: usize,
    /// The name that it asks for
    pub name: String,
    /// Index of the file that is taken
    pub target: Option<usize>,
    /// The rule that found it; `already there` if an earlier one did
    pub rule: String,
    /// Paths that were looked at, the taken one last
    pub attempts: Vec<Attempt>,
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
    /// Its content
    pub binary: Binary,
}

impl Object {
    /// Its last path component.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The program first, then its libraries breadth-first, in the order of a global scope.
#[derive(Debug)]
pub struct Closure {
    /// The files
    pub objects: Vec<Object>,
    /// What was asked for, in order
    pub edges: Vec<Edge>,
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
        let real = surroundings.tree.resolve(program)?;
        let binary = Binary::open(&surroundings.tree.outside(&real))?;
        let bytes = surroundings
            .tree
            .resolve(Path::new(CACHE_PATH))
            .and_then(|path| Ok(fs::read(surroundings.tree.outside(&path))?));
        let bytes = bytes.unwrap_or_default();
        let mut finder = Finder::new(binary, program, real, &bytes, surroundings);
        finder.add_interpreter();
        for name in preloads {
            finder.ask(0, name, Purpose::Preload);
        }
        let mut asked = 0;
        while asked < finder.closure.objects.len() {
            // The interpreter stands in the list where it is needed; what it needs itself is never looked for.
            if Some(asked) != finder.closure.interpreter {
                for name in finder.closure.objects[asked].binary.needed.clone() {
                    finder.ask(asked, &name, Purpose::Needed);
                }
            }
            asked += 1;
        }
        Ok(finder.closure)
    }

    /// What was asked for and not found.
    pub fn missing(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| edge.target.is_none())
    }

    /// The first object that goes by this name: soname, file name, or path.
    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.objects.iter().position(|object| {
            object.path == name || object.file_name() == name || object.binary.soname.as_deref() == Some(name)
        })
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
    searcher: Searcher<'a>,
    directories: Directories,
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
        let settings = Settings {
            conventions: conventions(&binary.header),
            secure: false,
            library_path: surroundings.library_path.as_deref().map(str::as_bytes),
            inhibit_rpath: None,
            hwcaps_prepend: None,
            hwcaps_mask: None,
            cpu_level: surroundings.cpu_level,
            platform: None,
            program_origin: origin.as_deref(),
        };
        let mut searcher = Searcher::new(&settings, Cache::parse(cache).ok());
        if flavour == Flavour::Musl {
            searcher.search_only(&musl_directories(&binary, surroundings));
        }
        let program = Object {
            path: program.to_string_lossy().into_owned(),
            real,
            asker: None,
            binary,
        };
        Finder {
            closure: Closure {
                objects: vec![program],
                edges: Vec::new(),
                flavour,
                interpreter: None,
            },
            searcher,
            directories: Directories::new(),
            surroundings,
        }
    }

    /// The interpreter is mapped by the kernel, and libraries may need it by its soname.
    fn add_interpreter(&mut self) {
        let Some(path) = self.closure.objects[0].binary.interpreter.clone() else {
            return;
        };
        let attempt = |refused| Attempt {
            path: path.clone(),
            rule: "PT_INTERP".to_owned(),
            refused,
        };
        let found = self.open(&path);
        let target = match &found {
            Ok(_) => Some(self.closure.objects.len()),
            Err(_) => None,
        };
        let (refused, target) = match found {
            Ok((real, binary)) => {
                self.closure.objects.push(Object {
                    path: path.clone(),
                    real,
                    asker: Some(0),
                    binary,
                });
                (None, target)
            }
            Err(why) => (Some(why.text), None),
        };
        self.closure.interpreter = target;
        self.closure.edges.push(Edge {
            asker: 0,
            name: path.clone(),
            target,
            rule: "PT_INTERP".to_owned(),
            attempts: vec![attempt(refused)],
        });
    }

    /// Finds what goes by `name`, and adds it unless it is there.
    fn ask(&mut self, asker: usize, name: &str, purpose: Purpose) {
        let there = self.already(name);
        let (target, rule, attempts) = match there {
            Some(target) => (Some(target), "already there".to_owned(), Vec::new()),
            None => self.search(asker, name, purpose),
        };
        self.closure.edges.push(Edge {
            asker,
            name: name.to_owned(),
            target,
            rule,
            attempts,
        });
    }

    /// A loaded object that answers to a name without a search. musl is its own libpthread, libm, and so on.
    fn already(&self, name: &str) -> Option<usize> {
        const OF_MUSL: &[&str] = &[
            "libc.",
            "libpthread.",
            "librt.",
            "libm.",
            "libdl.",
            "libutil.",
            "libxnet.",
        ];
        if self.closure.flavour == Flavour::Musl && OF_MUSL.iter().any(|start| name.starts_with(start)) {
            return self.closure.interpreter;
        }
        if name.contains('/') {
            let real = self.surroundings.tree.resolve(Path::new(name)).ok()?;
            return self.closure.objects.iter().position(|object| object.real == real);
        }
        self.closure.objects.iter().position(|object| {
            object.binary.soname.as_deref() == Some(name) || (object.asker.is_some() && object.file_name() == name)
        })
    }

    fn search(&mut self, asker: usize, name: &str, purpose: Purpose) -> (Option<usize>, String, Vec<Attempt>) {
        let mut attempts = Vec::new();
        let mut found = None;
        let lineage = lineage(&self.closure.objects, asker);
        let request = Request {
            name: name.as_bytes(),
            lineage: &lineage,
            purpose,
        };
        let mut directories = std::mem::take(&mut self.directories);
        let mut walk = self.searcher.walk(&request, &mut directories);
        let mut rule = "path".to_owned();
        while let Some(step) = walk.next() {
            let candidate = match step {
                Step::Entering(place) => {
                    rule = place.to_string();
                    continue;
                }
                Step::Try(candidate) => candidate,
            };
            let path = String::from_utf8_lossy(&candidate.path).into_owned();
            match self.open(&path) {
                Ok(file) => {
                    attempts.push(Attempt {
                        path: path.clone(),
                        rule: rule.clone(),
                        refused: None,
                    });
                    found = Some((path, file));
                    break;
                }
                Err(why) => {
                    while why.is_absent
                        && let Some(directory) = walk.unknown_directory(&candidate)
                    {
                        let exists = self.is_directory(directory);
                        if !walk.learn(directory, exists) {
                            break;
                        }
                    }
                    attempts.push(Attempt {
                        path,
                        rule: rule.clone(),
                        refused: Some(why.text),
                    });
                    if why.ends_search {
                        break;
                    }
                }
            }
        }
        self.directories = directories;
        let target = found.map(|(path, (real, binary))| self.place(path, real, binary, asker));
        (target, rule, attempts)
    }

    /// The index of a found file, which is the one of the object that it is already, if it is.
    fn place(&mut self, path: String, real: PathBuf, binary: Binary, asker: usize) -> usize {
        let objects = &mut self.closure.objects;
        objects
            .iter()
            .position(|object| object.real == real)
            .unwrap_or_else(|| {
                objects.push(Object {
                    path,
                    real,
                    asker: Some(asker),
                    binary,
                });
                objects.len() - 1
            })
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        let path = String::from_utf8_lossy(path).into_owned();
        let tree = &self.surroundings.tree;
        tree.resolve(Path::new(&path))
            .is_ok_and(|path| tree.outside(&path).is_dir())
    }

    /// Opens a candidate, and holds its class and machine against the program's.
    fn open(&self, path: &str) -> Result<(PathBuf, Binary), Refused> {
        let tree = &self.surroundings.tree;
        let real = tree.resolve(Path::new(path)).map_err(|error| Refused::absent(&error))?;
        let bytes = recognise::read(&tree.outside(&real)).map_err(|error| Refused::absent(&error))?;
        let binary = Binary::parse(bytes).map_err(|error| Refused {
            text: error.to_string(),
            is_absent: false,
            ends_search: true,
        })?;
        let program = &self.closure.objects[0].binary.header;
        let differs = (binary.header.bits, binary.header.machine, binary.header.little_endian)
            != (program.bits, program.machine, program.little_endian);
        if differs {
            let text = format!(
                "for {}, not for {}",
                binary.header.machine_name(),
                program.machine_name()
            );
            return Err(Refused {
                text,
                is_absent: false,
                ends_search: false,
            });
        }
        Ok((real, binary))
    }
}

/// Why a candidate is not taken.
struct Refused {
    text: String,
    /// Whether nothing is there
    is_absent: bool,
    /// Whether the search is over: a damaged file of the right name
    ends_search: bool,
}

impl Refused {
    fn absent(error: &anyhow::Error) -> Refused {
        let cause = error.downcast_ref::<io::Error>().map(io::Error::kind);
        let text = match error.downcast_ref::<io::Error>() {
            Some(error) => words(error),
            None => error.to_string(),
        };
        Refused {
            text,
            is_absent: cause == Some(io::ErrorKind::NotFound),
            ends_search: false,
        }
    }
}

/// What the kernel answered, without the number that Rust adds.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Who asks, who loaded the asker, and so on up to the program.
fn lineage(objects: &[Object], asker: usize) -> Vec<Link<'_>> {
    let mut lineage = Vec::new();
    let mut next = objects.get(asker);
    while let Some(object) = next {
        let folder = object
            .real
            .parent()
            .map(|folder| Name::new(folder.as_os_str().as_encoded_bytes()));
        lineage.push(Link {
            name: Name::from(object.path.as_str()),
            origin: folder,
            rpath: object.binary.rpath.as_deref().map(str::as_bytes),
            runpath: object.binary.runpath.as_deref().map(str::as_bytes),
            no_default_directories: object
                .binary
                .dynamic_value(DT_FLAGS_1)
                .is_some_and(|flags| flags & NODEFLIB != 0),
            is_program: object.asker.is_none(),
        });
        next = object.asker.and_then(|asker| objects.get(asker));
    }
    lineage
}

/// The directories of a musl system: the file that belongs to the loader's name, or musl's built-in list.
fn musl_directories(program: &Binary, surroundings: &Surroundings) -> Vec<u8> {
    let listed = || -> Result<Vec<u8>> {
        let interpreter = program.interpreter.as_deref().context("a library")?;
        let name = interpreter
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_suffix(".so.1"))
            .context("another name")?;
        let path = surroundings.tree.resolve(Path::new(&format!("/etc/{name}.path")))?;
        Ok(fs::read(surroundings.tree.outside(&path))?)
    };
    listed().unwrap_or_else(|_| b"/lib:/usr/local/lib:/usr/lib".to_vec())
}
