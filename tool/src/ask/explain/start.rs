//! A start as a value: what the stream told, put together with what stands in the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Serialize;

use super::names::Names;
use super::stream::{Bound, Mapped, Record, What};
use super::tables::{Answer, HashTable, Relocation, relocations};
use crate::elf::Binary;

/// Names of the stages, by number (docs/events.md).
pub const STAGES: [&str; 7] = ["start", "map", "link", "relocate", "wake", "resolve", "protect"];

/// A file with what is computed of it once.
#[derive(Debug)]
pub struct File {
    /// Its content
    pub binary: Binary,
    /// Names for its addresses
    pub names: Names,
    /// Its relocations
    pub relocations: Vec<Relocation>,
    /// Its hash table
    pub hash: HashTable,
}

/// Files by path, each read once.
#[derive(Debug, Default)]
pub struct Files(BTreeMap<PathBuf, Option<Rc<File>>>);

impl Files {
    /// The file at a path; `None` if it cannot be read or is no ELF file.
    pub fn get(&mut self, path: &Path) -> Option<Rc<File>> {
        let read = || {
            let binary = Binary::open(path).ok()?;
            Some(Rc::new(File {
                names: Names::of(&binary),
                relocations: relocations(&binary),
                hash: HashTable::of(&binary),
                binary,
            }))
        };
        self.0.entry(path.to_owned()).or_insert_with(read).clone()
    }
}

/// A module of the process.
#[derive(Debug, Serialize)]
pub struct Module {
    /// What the loader told
    #[serde(flatten)]
    pub mapped: Mapped,
    /// Where its file lies: of the loader the path that it was started by, whatever programs call it
    pub path: String,
    /// Whether it was there before: the loader, the vDSO
    pub is_present: bool,
    /// The file behind it
    #[serde(skip)]
    pub file: Option<Rc<File>>,
}

impl Module {
    /// Its file's name without directories.
    pub fn short(&self) -> &str {
        short(&self.path)
    }

    /// Whether an address lies in it.
    pub fn spans(&self, address: u64) -> bool {
        address.wrapping_sub(self.mapped.base) < self.mapped.size
    }

    /// `memcpy+0x10` or `+0x1234`.
    pub fn name_of(&self, address: u64) -> String {
        let inside = address.wrapping_sub(self.mapped.base);
        let known = self.file.as_ref().and_then(|file| file.names.at(inside));
        match known {
            Some(name) => format!("{name} (+{inside:#x})"),
            None => format!("+{inside:#x}"),
        }
    }
}

/// A path's last component.
pub fn short(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A search for a library.
#[derive(Debug, Serialize)]
pub struct Search {
    /// The name
    pub name: String,
    /// Who wants it
    pub by: String,
    /// When it began
    pub begin: u64,
    /// When the file that was tried last was opened
    pub opened: u64,
    /// When it ended
    pub end: u64,
    /// The list that was entered last
    pub rule: String,
    /// Paths that were not taken, and why
    pub passed: Vec<(String, String)>,
    /// The path that was tried last
    pub tried: Option<String>,
}

/// A call of the program's code.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// The function
    pub function: u64,
    /// Whose: for a constructor the module that is initialised, for a resolver the one whose word is decided
    pub module: String,
    /// When it began
    pub begin: u64,
    /// When it came back, if it did
    pub end: Option<u64>,
    /// What a resolver answered
    pub answer: Option<u64>,
}

/// A stretch of time.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// What it was spent on
    pub name: String,
    /// First nanosecond
    pub begin: u64,
    /// Behind the last
    pub end: u64,
}

/// A start, as far as it came.
#[derive(Debug, Default, Serialize)]
pub struct Start {
    /// The auxiliary vector
    pub auxv: Vec<(u64, u64)>,
    /// Modules as they came: the loader first
    pub modules: Vec<Module>,
    /// Searches for libraries
    pub searches: Vec<Search>,
    /// Versions that were checked: version, who has it, who wants it
    pub versions: Vec<(String, String, String)>,
    /// Thread-local storage: module, number, bytes below the thread pointer
    pub tls: Vec<(String, u64, u64)>,
    /// Where references are looked up, by module
    pub scopes: Vec<(String, Vec<String>)>,
    /// Modules as their tables were applied
    pub relocated: Vec<Span>,
    /// References and their definitions
    pub bindings: Vec<Bound>,
    /// Resolvers
    pub resolvers: Vec<Call>,
    /// Read-only pages: module, first address, bytes
    pub relro: Vec<(String, u64, u64)>,
    /// Modules in the order of their constructors
    pub initialised: Vec<Span>,
    /// Constructors
    pub constructors: Vec<Call>,
    /// Counts
    pub counts: Vec<(String, u64)>,
    /// Stages that are over
    pub stages: Vec<Span>,
    /// The program that was entered
    pub entered: Option<String>,
    /// The first thread's thread pointer
    pub thread_pointer: Option<u64>,
    /// What failed: text and code
    pub failures: Vec<(String, String)>,
    /// The first and the last moment
    pub begin: u64,
    /// See above
    pub end: u64,
}

impl Start {
    /// Puts the stream together with the files.
    pub fn of(records: &[Record], loader: &Path, files: &mut Files) -> Start {
        let mut start = Start {
            begin: records.first().map_or(0, |record| record.time),
            end: records.last().map_or(0, |record| record.time),
            ..Start::default()
        };
        for Record { time, what } in records {
            start.take(*time, what, loader, files);
        }
        if let Some(last) = start.initialised.last_mut().filter(|last| last.end == 0) {
            last.end = start.end;
        }
        start
    }

    fn take(&mut self, time: u64, what: &What, loader: &Path, files: &mut Files) {
        self.close_relocation(time, what);
        match what {
            What::Auxv { kind, value } => self.auxv.push((*kind, *value)),
            What::Module(mapped) => self.module(time, mapped, loader, files),
            What::Wanted { name, by } => self.searches.push(Search {
                name: name.clone(),
                by: by.clone(),
                begin: time,
                opened: time,
                end: time,
                rule: "path".to_owned(),
                passed: Vec::new(),
                tried: None,
            }),
            What::List { rule, .. } => self.searching(time, |search| search.rule.clone_from(rule)),
            What::Trying { path } => self.searching(time, |search| {
                search.opened = time;
                search.tried = Some(path.clone());
            }),
            What::Passed { path, why } => self.searching(time, |search| {
                search.tried = None;
                search.passed.push((path.clone(), why.clone()));
            }),
            What::Version { version, provider, by } => {
                self.versions.push((version.clone(), provider.clone(), by.clone()));
            }
            What::Tls { number, below, module } => {
                // A module that got no place has no line; one that was asked again has one place.
                if !self.tls.iter().any(|(known, _, _)| known == module) {
                    self.tls.push((module.clone(), *number, *below));
                }
            }
            What::Scope { module, names } => {
                let list = self.split_names(names);
                self.scopes.push((module.clone(), list));
            }
            What::Relocating { module } => {
                self.relocated.push(Span {
                    name: module.clone(),
                    begin: time,
                    end: 0,
                });
            }
            What::Bound(bound) => self.bindings.push(bound.clone()),
            What::Calling { function } => self.calling(time, *function),
            What::Resolved {
                module,
                answer,
                resolver,
            } => {
                // Those of what a constructor opens were taken for constructors.
                if let Some(late) = self
                    .constructors
                    .pop_if(|call| call.function == *resolver && call.end.is_none())
                {
                    self.resolvers.push(late);
                }
                if let Some(call) = self.resolvers.last_mut() {
                    call.end = Some(time);
                    call.answer = Some(*answer);
                    call.module.clone_from(module);
                }
            }
            What::Returned => {
                // A constructor may open libraries, whose constructors run inside it.
                if let Some(call) = self.constructors.iter_mut().rev().find(|call| call.end.is_none()) {
                    call.end = Some(time);
                }
            }
            What::Protected { start, length, module } => self.relro.push((module.clone(), *start, *length)),
            What::Initialising { module } => {
                self.close_initialisation(time);
                self.initialised.push(Span {
                    name: module.clone(),
                    begin: time,
                    end: 0,
                });
            }
            What::Finalising { .. } => {}
            What::Stage { number } => {
                let name = STAGES.get(*number as usize).copied().unwrap_or("unknown");
                self.stages.push(Span {
                    name: name.to_owned(),
                    begin: self.stages.last().map_or(self.begin, |stage| stage.end),
                    end: time,
                });
            }
            What::Transferring { module } => {
                self.close_initialisation(time);
                self.entered = Some(module.clone());
            }
            What::Awake { thread_pointer } => self.thread_pointer = Some(*thread_pointer),
            What::Failed { text, code } => self.failures.push((text.clone(), code.clone())),
            What::Count { what, count } => self.counts.push((what.clone(), *count)),
        }
    }

    fn close_relocation(&mut self, time: u64, what: &What) {
        if matches!(what, What::Relocating { .. } | What::Stage { .. } | What::Failed { .. })
            && let Some(last) = self.relocated.last_mut().filter(|last| last.end == 0)
        {
            last.end = time;
        }
    }

    fn close_initialisation(&mut self, time: u64) {
        if let Some(last) = self.initialised.last_mut().filter(|last| last.end == 0) {
            last.end = time;
        }
    }

    fn searching(&mut self, time: u64, change: impl FnOnce(&mut Search)) {
        if let Some(search) = self.searches.last_mut() {
            search.end = time;
            change(search);
        }
    }

    fn module(&mut self, time: u64, mapped: &Mapped, loader: &Path, files: &mut Files) {
        let is_present = self.stages.is_empty();
        let path = match self.modules.len() {
            0 => loader,
            _ => Path::new(&mapped.name),
        };
        let file = files.get(path).filter(|_| !mapped.name.starts_with("linux-vdso"));
        self.modules.push(Module {
            path: path.to_string_lossy().into_owned(),
            mapped: mapped.clone(),
            is_present,
            file,
        });
        self.searching(time, |_| ());
    }

    fn calling(&mut self, time: u64, function: u64) {
        let is_resolver = self.stages.len() < 6;
        let module = match (is_resolver, self.initialised.last()) {
            (false, Some(last)) => last.name.clone(),
            _ => self
                .owner(function)
                .map_or_else(String::new, |module| module.mapped.name.clone()),
        };
        let calls = if is_resolver {
            &mut self.resolvers
        } else {
            &mut self.constructors
        };
        calls.push(Call {
            function,
            module,
            begin: time,
            end: None,
            answer: None,
        });
    }

    /// Names of modules that stand behind one another with spaces between, though names may have spaces.
    fn split_names(&self, text: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let known = self.modules.iter().map(|module| module.mapped.name.as_str());
            let fits = known.filter(|name| {
                rest.strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            let name = fits
                .max_by_key(|name| name.len())
                .or_else(|| rest.split(' ').next())
                .unwrap_or(rest);
            names.push(name.to_owned());
            rest = rest.get(name.len()..).unwrap_or_default().trim_start();
        }
        names
    }

    /// The module that an address lies in.
    pub fn owner(&self, address: u64) -> Option<&Module> {
        self.modules.iter().find(|module| module.spans(address))
    }

    /// The module of a name.
    pub fn named(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.mapped.name == name)
    }

    /// What people know a module by whose name the loader tells: its file, without directories.
    pub fn short<'a>(&'a self, name: &'a str) -> &'a str {
        self.named(name).map_or_else(|| short(name), Module::short)
    }

    /// The program: what the loader mapped, or was given, before it searched for anything.
    pub fn program(&self) -> Option<&Module> {
        self.modules.iter().find(|module| !module.is_present)
    }

    /// The call that has not come back.
    pub fn unfinished(&self) -> Option<&Call> {
        let calls = self.resolvers.iter().chain(&self.constructors);
        calls.rev().find(|call| call.end.is_none())
    }

    /// The definition that a reference got.
    pub fn definition(&self, from: &str, symbol: &str, version: Option<&str>) -> Option<&Bound> {
        self.bindings
            .iter()
            .find(|bound| bound.from == from && bound.symbol == symbol && bound.version.as_deref() == version)
    }

    /// The run-time address, the size and the index-independent facts of what a reference was bound to.
    pub fn symbol(&self, bound: &Bound) -> Option<(u64, &crate::elf::Symbol, &Module)> {
        /// `SHN_ABS`
        const ABSOLUTE: u16 = 0xfff1;
        let module = self.named(&bound.to)?;
        let symbols = &module.file.as_ref()?.binary.symbols;
        let candidates = || {
            symbols
                .iter()
                .filter(|symbol| symbol.name == bound.symbol && symbol.section != 0)
        };
        let exact = candidates().find(|symbol| bound.version.is_some() && symbol.version == bound.version);
        let symbol = exact
            .or_else(|| candidates().find(|symbol| symbol.is_default))
            .or_else(|| candidates().next())?;
        let base = if symbol.section == ABSOLUTE {
            0
        } else {
            module.mapped.base
        };
        Some((base.wrapping_add(symbol.value), symbol, module))
    }

    /// What the look-ups cost.
    pub fn lookups(&self) -> Lookups {
        let mut sum = Lookups::default();
        for bound in &self.bindings {
            let Some((_, scope)) = self.scopes.iter().find(|(module, _)| *module == bound.from) else {
                continue;
            };
            let Some(end) = scope.iter().position(|name| *name == bound.to) else {
                continue;
            };
            sum.count += 1;
            for name in &scope[..=end] {
                let Some(file) = self.named(name).and_then(|module| module.file.as_ref()) else {
                    continue;
                };
                sum.asked += 1;
                match file.hash.ask(&bound.symbol) {
                    Answer::Filtered => sum.filtered += 1,
                    Answer::Compared(count) => sum.compared += u64::from(count),
                    Answer::NoTable => sum.without_table += 1,
                }
            }
        }
        sum
    }
}

/// What look-ups that found something cost, computed from the hash tables of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lookups {
    /// Look-ups
    pub count: u64,
    /// Modules that were asked
    pub asked: u64,
    /// Of these, how many a Bloom filter answered
    pub filtered: u64,
    /// Hash values that were compared
    pub compared: u64,
    /// Modules without a GNU hash table
    pub without_table: u64,
}
