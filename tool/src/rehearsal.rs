//! A start without a process: the loader's own stages, over memory, as far as they go before libc would have to run.
//!
//! What lode would refuse is refused here by the same code and in the same words; nothing of the files is executed, mapped from a
//! disk, or seen by the kernel. Resolvers are not called: a word that one would decide gets a made-up address.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use lode::abi::Abi;
use lode::abi::musl::Musl;
use lode::arch::x86_64::MACHINE;
use lode::elf::Address;
use lode::error::{Errno, Error, KernelVersion, Kind, Lossy, Name};
use lode::event::{Event, Interest, Log, Sink};
use lode::process::Allow;
use lode::search::cache::Cache;
use lode::search::{CACHE_PATH, Directories, Purpose, Searcher};
use lode::stages::init::Ready;
use lode::stages::map::{Context, Mapped, Wish, is_musl, map_file, not_musl};
use lode::stages::relocate::{Binding, Entries};
use lode::world::{Host, Module, Namespace, Role, World};
use memory::Memory;
use serde::Serialize;

use crate::closure::Surroundings;
use crate::elf::{Binary, EM_X86_64, recognise};
use crate::spelling;
use crate::tree::Tree;

/// Where the first module is put: where kernels put mappings.
const BASE: u64 = 0x7f00_0000_0000;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// Whether a file is for the machine that can be rehearsed.
pub fn is_lodes(binary: &Binary) -> bool {
    binary.header.machine == EM_X86_64 && binary.header.bits == 64
}

/// Where lode's own code would be: addresses in no module.
const ENTRIES: Entries = Entries {
    lazy: Address(0x6000_0000_0000),
    pending: Address(0x6000_0000_0010),
    tls_static: Address(0x6000_0000_0020),
    tls_dynamic: Address(0x6000_0000_0030),
    tls_undefined: Address(0x6000_0000_0040),
};

/// What lode says when it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// `E0105`, …
    pub code: String,
    /// The file that is wrong
    pub culprit: String,
    /// The file that asked for it
    pub asker: Option<String>,
    /// One line in the familiar words
    pub line: String,
    /// All that lode prints
    pub report: String,
    /// What it is about
    #[serde(skip)]
    pub subject: Subject,
}

/// What a refusal is about, where lode knows more than one line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Symbols that nothing defines
    Symbols(Vec<Unsatisfied>),
    /// Versions that their library does not define
    Versions,
    /// A file for another libc than the one that is there
    Libc,
    /// A library that is nowhere
    Library,
    /// Something else: the file itself, as a rule
    Other,
}

/// A reference that nothing satisfies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsatisfied {
    /// The file that refers
    pub file: String,
    /// The symbol
    pub symbol: String,
    /// The version that it asks for
    pub version: Option<String>,
}

impl Subject {
    fn of(kind: &Kind) -> Subject {
        match kind {
            Kind::Undefined(list) => {
                let unsatisfied = |one: &lode::error::Unresolved| Unsatisfied {
                    file: spelling::text(one.module.bytes()),
                    symbol: one.symbol.to_string(),
                    version: one.version.as_ref().map(Name::to_string),
                };
                Subject::Symbols(list.iter().map(unsatisfied).collect())
            }
            Kind::NoVersion(_) => Subject::Versions,
            Kind::WrongLibc(_) => Subject::Libc,
            Kind::Missing { .. } => Subject::Library,
            _ => Subject::Other,
        }
    }
}

impl Refusal {
    /// What is known beyond the line: the indented lines of the report but the fixes.
    pub fn evidence(&self) -> Vec<String> {
        let lines = self.details().filter(|line| !line.starts_with("fix: "));
        lines.map(str::to_owned).collect()
    }

    /// What can be done about it.
    pub fn fixes(&self) -> Vec<String> {
        let fixes = self.details().filter_map(|line| line.strip_prefix("fix: "));
        fixes.map(str::to_owned).collect()
    }

    fn details(&self) -> impl Iterator<Item = &str> {
        let lines = self.report.lines();
        lines.filter(|line| line.starts_with("  ")).map(str::trim_start)
    }

    fn of(error: &Error, program: &[u8]) -> Refusal {
        Refusal {
            code: error.kind.code().to_string(),
            subject: Subject::of(&error.kind),
            culprit: spelling::text(error.culprit.bytes()),
            asker: error.asked_by.as_ref().map(|name| spelling::text(name.bytes())),
            line: error.to_string(),
            report: error.report(program).to_string(),
        }
    }
}

/// A reference that got its definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Bound {
    /// The file that refers
    pub from: String,
    /// The file that defines
    pub to: String,
    /// The symbol
    pub symbol: String,
    /// The version that was asked for
    pub version: Option<String>,
}

/// What a rehearsal showed.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// Why the start fails, if it does
    pub refusal: Option<Refusal>,
    /// Calls of functions that nothing defines. The start does not fail for them: each fails when it is made.
    pub waiting: Vec<Unsatisfied>,
    /// Why lode does not start the libc, if it does not. The rehearsal goes on: another loader may.
    pub libc: Option<Refusal>,
    /// Warnings, in the loader's words
    pub warnings: Vec<String>,
    /// Bindings in the order in which they were made, up to the refusal
    pub bindings: Vec<Bound>,
    /// The modules of a start that does not fail, in load order
    pub modules: Vec<Arc<Module>>,
}

/// Rehearses the start of an x86-64 program, a path in the tree. A library is taken as if it were a program.
///
/// Every function slot is bound, so that all bindings are known. Where that fails for symbols alone, the start is tried once more with slots that
/// wait for their call, if they may: that decides whether the program starts.
pub fn rehearse(program: &Path, preloads: &[String], surroundings: &Surroundings) -> Rehearsal {
    let mut at_once = attempt(program, preloads, surroundings, true);
    let Some(Subject::Symbols(all)) = at_once.refusal.as_ref().map(|refusal| &refusal.subject) else {
        return at_once;
    };
    if surroundings.bind_now {
        return at_once;
    }
    let mut by_call = attempt(program, preloads, surroundings, false);
    let wanted = match by_call.refusal.as_ref().map(|refusal| &refusal.subject) {
        Some(Subject::Symbols(wanted)) => wanted.as_slice(),
        _ => &[],
    };
    by_call.waiting = all.iter().filter(|one| !wanted.contains(one)).cloned().collect();
    let known: HashSet<Bound> = at_once.bindings.iter().cloned().collect();
    by_call.bindings.retain(|bound| !known.contains(bound));
    at_once.bindings.append(&mut by_call.bindings);
    by_call.bindings = at_once.bindings;
    by_call
}

/// A start with function slots that are bound `now`, or when they may.
fn attempt(program: &Path, preloads: &[String], surroundings: &Surroundings, now: bool) -> Rehearsal {
    let name = program.as_os_str().as_bytes();
    let journal = Journal::default();
    let mut world = World::default();
    let ready = Stage {
        surroundings,
        journal: &journal,
        now,
    }
    .run(name, preloads, &mut world);
    let mut rehearsal = journal.0.into_inner().unwrap_or_default();
    match ready {
        Ok(_) => rehearsal.modules = world.modules.iter().cloned().collect(),
        Err(error) => rehearsal.refusal = Some(Refusal::of(&error, name)),
    }
    rehearsal
}

/// What lode says of one file by itself, as `dlopen` would map it: its headers, its tables. Nothing that it needs is looked for.
pub fn examine(path: &Path, surroundings: &Surroundings) -> Option<Refusal> {
    let error = alone(path, surroundings).err()?;
    Some(Refusal::of(&error, path.as_os_str().as_bytes()))
}

/// Why lode does not start a file as musl's libc. `None` if it does, or if it does not even map the file.
pub fn refuse_as_musl(path: &Path, surroundings: &Surroundings) -> Option<Refusal> {
    let libc = alone(path, surroundings).ok()?;
    let error = match is_musl(&libc) {
        true => Musl::recognise(&libc, Allow::empty()).err()?,
        false => libc.fault(lode::error::Stage::Map, not_musl()),
    };
    Some(Refusal::of(&error, path.as_os_str().as_bytes()))
}

/// A file as a module, without anything that it needs.
fn alone(path: &Path, surroundings: &Surroundings) -> lode::error::Result<Arc<Module>> {
    let name = path.as_os_str().as_bytes();
    let journal = Journal::default();
    let host = host(&surroundings.tree, Path::new("/"));
    let stage = Stage {
        surroundings,
        journal: &journal,
        now: true,
    };
    stage.mapping(&host, |context| {
        let file = host
            .open(name)
            .map_err(|fault| fault.of(lode::error::Stage::Map, &Name::new(name)))?;
        let parts = map_file(&file, Name::new(name), Role::Library, None, context)?;
        Module::new(lode::world::ModuleId(0), parts)
            .map_err(|fault| fault.of(lode::error::Stage::Map, &Name::new(name)))
    })
}

struct Stage<'a> {
    surroundings: &'a Surroundings,
    journal: &'a Journal,
    /// As with LD_BIND_NOW
    now: bool,
}

impl Stage<'_> {
    fn log(&self) -> Log<'_> {
        Log {
            interest: Interest::BINDINGS | Interest::ALWAYS,
            sink: self.journal,
        }
    }

    fn run(&self, name: &[u8], preloads: &[String], world: &mut World) -> lode::error::Result<Ready> {
        let host = host(&self.surroundings.tree, Path::new(OsStr::from_bytes(name)));
        let named = Name::new(name);
        let fault = |fault: lode::error::Fault| fault.of(lode::error::Stage::Map, &named);
        let file = host.open(name).map_err(fault)?;
        let preloads: Vec<Vec<u8>> = preloads.iter().map(|name| spelling::bytes(name)).collect();
        let wishes: Vec<Wish<'_>> = preloads
            .iter()
            .map(|name| Wish {
                name,
                purpose: Purpose::Preload,
                asker: None,
            })
            .collect();
        self.adopt_loader(&host, name, world);
        let mapped = self.mapping(&host, |context| {
            let program = map_file(&file, named.clone(), Role::Program, None, context)?;
            Mapped::load(Some(program), &wishes, Namespace::BASE, world, context)
        })?;
        let binding = Binding {
            machine: &MACHINE,
            now: self.now,
            waits: false,
            entries: ENTRIES,
            substitutes: &[],
            allow: Allow::empty(),
        };
        let linked = mapped.link(world, self.log())?;
        if let Err(error) = Abi::recognise(&linked, world, Allow::empty()) {
            self.journal.note_libc(Refusal::of(&error, name));
        }
        let relocated = linked.relocate(world, binding, &host, self.log())?;
        let resolved = relocated.awake().resolve(world, &host, self.log())?;
        Ok(resolved.protect(&host, PAGE, self.log())?.publish(world))
    }

    /// The program's loader is there before everything, as lode is in a process: libraries need it by name, and bind to it.
    fn adopt_loader(&self, host: &Memory, program: &[u8], world: &mut World) {
        let tree = &self.surroundings.tree;
        let interpreter = tree
            .resolve(Path::new(OsStr::from_bytes(program)))
            .and_then(|path| Binary::open(&tree.outside(&path)));
        let Some(path) = interpreter.ok().and_then(|binary| binary.interpreter) else {
            return;
        };
        let path = spelling::bytes(&path);
        let Ok(file) = host.open(&path) else { return };
        let parts = self.mapping(host, |context| {
            map_file(&file, Name::new(&path), Role::Loader, None, context)
        });
        if let Ok(mut parts) = parts {
            parts.is_final = true;
            if let Ok(module) = Module::new(world.next, parts) {
                world.extend(vec![module]);
            }
        }
    }

    fn mapping<T>(
        &self,
        host: &Memory,
        walk: impl FnOnce(&mut Context<'_>) -> lode::error::Result<T>,
    ) -> lode::error::Result<T> {
        let cache = host
            .fetch
            .as_ref()
            .and_then(|fetch| fetch(CACHE_PATH.as_bytes()).ok())
            .map(|(_, bytes)| bytes)
            .unwrap_or_default();
        let settings = self.surroundings.settings((EM_X86_64, 64), Some(&host.origin));
        walk(&mut Context {
            host,
            searcher: &Searcher::new(&settings, Cache::parse(&cache).ok()),
            directories: &mut Directories::new(),
            machine: &MACHINE,
            page_size: PAGE,
            cpu_level: self.surroundings.cpu_level,
            tolerant: false,
            trusted_preloads: false,
            log: self.log(),
        })
    }
}

/// A host whose files are the tree's.
fn host(tree: &Tree, program: &Path) -> Memory {
    let mut host = Memory::new(BASE);
    host.kernel = running_kernel();
    let (files, directories) = (tree.clone(), tree.clone());
    host.fetch = Some(Box::new(move |path| fetch(&files, path)));
    host.directories = Some(Box::new(move |path| directories.is_directory(path)));
    let real = tree.resolve(program).unwrap_or_else(|_| program.to_owned());
    host.origin = real
        .parent()
        .map_or_else(Vec::new, |folder| folder.as_os_str().as_encoded_bytes().to_vec());
    host
}

/// The kernel of this computer, which runs the programs of every tree.
fn running_kernel() -> KernelVersion {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|one: char| !one.is_ascii_digit()).map(str::parse::<u64>);
    match [numbers.next(), numbers.next(), numbers.next()] {
        [Some(Ok(first)), Some(Ok(second)), third] => {
            let third = third.and_then(Result::ok).unwrap_or(0);
            KernelVersion((first << KernelVersion::BITS | second) << KernelVersion::BITS | third)
        }
        // Whatever a file wants, nobody can say that it is too much.
        _ => KernelVersion(u64::MAX),
    }
}

fn fetch(tree: &Tree, path: &[u8]) -> Result<(u64, Vec<u8>), Errno> {
    let outside = tree
        .resolve(Path::new(OsStr::from_bytes(path)))
        .map(|path| tree.outside(&path))
        .map_err(|_| Errno::ENOENT)?;
    let inode = fs::metadata(&outside).map_err(|_| Errno::ENOENT)?.ino();
    let bytes = recognise::read(&outside).map_err(|_| Errno::EACCES)?;
    Ok((inode, bytes))
}

/// Keeps what the stages tell.
#[derive(Default)]
struct Journal(Mutex<Rehearsal>);

impl Journal {
    fn note_libc(&self, refusal: Refusal) {
        if let Ok(mut rehearsal) = self.0.lock() {
            rehearsal.libc = Some(refusal);
        }
    }
}

impl Sink for Journal {
    fn take(&self, event: &Event<'_>) {
        let Ok(mut rehearsal) = self.0.lock() else { return };
        match event {
            Event::Bound {
                from,
                to,
                symbol,
                version,
                ..
            } => rehearsal.bindings.push(Bound {
                from: spelling::text(from.bytes()),
                to: spelling::text(to.bytes()),
                symbol: Lossy(symbol).to_string(),
                version: version.map(|version| Lossy(version).to_string()),
            }),
            Event::Warning(text) | Event::Line(text) => rehearsal.warnings.push(text.to_string()),
            _ => {}
        }
    }
}
