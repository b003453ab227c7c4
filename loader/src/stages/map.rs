//! Finding, checking and mapping files, breadth-first.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::dense::dense_piece;
use super::known::{FILE, NAME, TEXT, file_text};
use super::{Batch, demands};
use crate::arch::Machine;
use crate::elf::dynamic::Flags1;
use crate::elf::hash::gnu_hash;
use crate::elf::header::Header;
use crate::elf::reloc::Rela;
use crate::elf::segment::{PROGRAM_HEADER_SIZE, ProgramHeader};
use crate::elf::{Address, FileOffset};
use crate::error::{
    Errno, Error, FOR_MUSL, Fault, Kind, NO_MEMORY_AT_HAND, Name, Rejected, Result, Rule, Stage, Tried, has_byte,
};
use crate::event::{Event, Interest, Log};
use crate::image::Table;
use crate::layout::{Layout, within_reach};
use crate::search::{Directories, Link, Purpose, Request, Searcher, Step, directory_of, tokens};
use crate::symbols::{Use, Wanted};
use crate::world::{File, Host, Module, ModuleId, NOWHERE, Namespace, Parts, Role, Roster, Tie, World};

/// Modules that are mapped and decoded, in search order. Nothing is bound.
#[derive(Debug)]
pub struct Mapped {
    /// The modules.
    pub batch: Box<Batch>,
    /// The program, or the library that was wished for first.
    pub root: Option<ModuleId>,
    /// Names that were found nowhere, if that was tolerated ([`Context::tolerant`]).
    pub missing: Vec<Missing>,
    /// Nothing is to be started: a version that nobody defines is a warning.
    pub only_listed: bool,
}

/// A name that was found nowhere, and how many modules stand before it in breadth-first order.
#[derive(Debug)]
pub struct Missing {
    /// The name.
    pub name: Name,
    /// Its place among [`Batch::order`].
    pub place: usize,
}

/// What mapping needs to know.
pub struct Context<'a> {
    /// Files and memory.
    pub host: &'a dyn Host,
    /// Where names may be.
    pub searcher: &'a Searcher<'a>,
    /// What is known of directories.
    pub directories: &'a mut Directories,
    /// The machine that programs must be for.
    pub machine: &'static Machine,
    /// Bytes of a page.
    pub page_size: u64,
    /// The x86-64 level of the CPU, 1 to 4.
    pub cpu_level: u8,
    /// Go on when a library is missing: `--list`.
    pub tolerant: bool,
    /// A preload needs the set-user-ID bit: the process is secure (ld.so(8), LD_PRELOAD).
    pub trusted_preloads: bool,
    /// Who reads events.
    pub log: Log<'a>,
}

/// A library that is wanted besides the program's own needs.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// A name or a path.
    pub name: &'a [u8],
    /// A preload, which may fail, or a call of the program, which may not.
    pub purpose: Purpose,
    /// The module in whose name it is looked for; the program when `None`.
    pub asker: Option<ModuleId>,
}

/// A library that is looked for.
#[derive(Clone, Copy)]
struct Quest<'a> {
    wish: Wish<'a>,
    /// What it is to be to the process.
    role: Role,
}

impl Mapped {
    /// Maps the program, the wishes, and all that they need. What is new goes to `namespace`, and what is there already counts.
    ///
    /// # Errors
    /// The first file that is missing, damaged or not for this machine. What was mapped is unmapped.
    pub fn load(
        program: Option<Box<Parts>>,
        wishes: &[Wish<'_>],
        namespace: Namespace,
        world: &World,
        context: &mut Context<'_>,
    ) -> Result<Mapped> {
        let mut work = Work {
            world,
            context,
            batch: Box::new(Batch::new(world, namespace)),
            listed: vec![false; world.modules.places()],
            missing: Vec::new(),
            reaching: Vec::new(),
            lineage: (None, Vec::new()),
        };
        if let Some(parts) = program {
            let id = work.adopt(parts)?;
            work.batch.note_last();
            work.list(id);
        }
        let mut refused: Option<(&Wish<'_>, Box<Error>)> = None;
        for wish in wishes {
            // A variable may have the same name ten thousand times.
            if let Some((before, error)) = &refused
                && (before.name, before.purpose, before.asker) == (wish.name, wish.purpose, wish.asker)
            {
                work.ignore_preload(wish, error);
                continue;
            }
            let role = match wish.purpose {
                Purpose::Open => Role::Opened,
                _ => Role::Library,
            };
            match work.library(&Quest { wish: *wish, role }) {
                Ok(id) => work.list(id),
                Err(error) if wish.purpose == Purpose::Open => return Err(error),
                Err(error) => {
                    work.ignore_preload(wish, &error);
                    refused = Some((wish, error));
                }
            }
        }
        let root = work.batch.order.first().copied();
        work.needs()?;
        if world.program().is_none() && work.is_musl() {
            // A program for musl has a libc, also if nothing of it needs one.
            let libc = work.library(&Quest::need(MUSL, root, Role::Library))?;
            work.list(libc);
            work.needs()?;
        }
        Ok(Mapped {
            root,
            batch: work.batch,
            missing: work.missing,
            only_listed: false,
        })
    }
}

struct Work<'w, 'c, 'h> {
    world: &'w World,
    context: &'c mut Context<'h>,
    batch: Box<Batch>,
    /// By module number: stands in the batch's order.
    listed: Vec<bool>,
    missing: Vec<Missing>,
    /// Modules that refer by 32-bit distances to symbols of others. Hardly any do.
    reaching: Vec<ModuleId>,
    /// What a search for the needs of a module asks of it and of those that asked for it: all needs of one are looked for one after the other.
    lineage: (Option<ModuleId>, Vec<Link<'static>>),
}

impl<'a> Quest<'a> {
    /// A library that a module needs.
    fn need(name: &'a [u8], asker: Option<ModuleId>, role: Role) -> Quest<'a> {
        let purpose = Purpose::Needed;
        let wish = Wish { name, purpose, asker };
        Quest { wish, role }
    }
}

impl Work<'_, '_, '_> {
    /// Whether libraries are found as musl finds them, so that one of them is its libc.
    #[inline(never)]
    fn is_musl(&self) -> bool {
        self.context.searcher.musl().is_some()
    }

    fn roster(&self) -> Roster<'_> {
        self.batch.roster(self.world)
    }

    fn list(&mut self, id: ModuleId) {
        let Some(index) = self.roster().place(id) else { return };
        if self.listed.len() <= index {
            self.listed.resize(index + 1, false);
        }
        if let Some(listed) = self.listed.get_mut(index)
            && !core::mem::replace(listed, true)
        {
            self.batch.order.push(id);
        }
    }

    /// Puts a filtee before its filter, so that its definitions come first.
    fn list_before(&mut self, filtee: ModuleId, filter: ModuleId) {
        self.list(filtee);
        let order = &mut self.batch.order;
        let place = |wanted: ModuleId| order.iter().position(|id| *id == wanted);
        if let (Some(from), Some(to)) = (place(filtee), place(filter))
            && from > to
            && let Some(between) = order.get_mut(to..=from)
        {
            between.rotate_right(1);
        }
    }

    /// Makes a mapped file a module of the batch.
    fn adopt(&mut self, parts: Box<Parts>) -> Result<ModuleId> {
        let id = ModuleId(self.world.next.0 + self.batch.modules.len() as u32);
        let name = parts.name.clone();
        let mut module = Module::new(id, parts).map_err(|kind| kind.of(Stage::Map, &name))?;
        if let Some(module) = Arc::get_mut(&mut module) {
            module.is_final |= starts_itself(module) || (self.is_musl() && is_musl(module));
            module.namespace = self.batch.namespace;
        }
        if refers_by_distance(&module, self.context.machine, None) {
            self.reaching.push(id);
        }
        self.context.log.emit(Interest::FILES, || Event::Mapped(&module));
        demands::check(&module, self.context.cpu_level, self.context.host, self.context.log)
            .map_err(|kind| kind.of(Stage::Map, &name))?;
        self.batch.modules.push(module);
        Ok(id)
    }

    /// Goes through the order and appends what each module needs, until nothing new comes.
    fn needs(&mut self) -> Result<()> {
        let mut next = 0;
        let is_musl = self.is_musl();
        let mut missing: Option<Box<Error>> = None;
        while let Some(id) = self.batch.order.get(next).copied() {
            next += 1;
            let Some(module) = self.roster().get(id) else { continue };
            if id < self.world.next {
                for needed in module.needed.clone() {
                    self.list(needed);
                }
                continue;
            }
            let role = match module.role {
                Role::Opened => Role::Opened,
                _ => Role::Library,
            };
            if module.needed.len() == module.needed_names.len() + module.filtee_names.len() {
                // Seen already: its filtees were put before it.
                continue;
            }
            let own_place = next - 1;
            for number in 0.. {
                let Some((name, tie)) = self.roster().get(id).and_then(|module| need(module, number)) else {
                    break;
                };
                let found = match self.library(&Quest::need(name, Some(id), role)) {
                    Ok(found) => found,
                    Err(_) if tie == Tie::Auxiliary => NOWHERE,
                    Err(error) if self.context.tolerant && matches!(error.kind, Kind::Missing { .. }) => {
                        let name = Name::new(name);
                        if !self.missing.iter().any(|missing| missing.name == name) {
                            let place = self.batch.order.len();
                            self.missing.push(Missing { name, place });
                        }
                        NOWHERE
                    }
                    Err(error) if is_musl && role != Role::Opened && matches!(error.kind, Kind::Missing { .. }) => {
                        // All that is missing is told in one run; the last one when nothing else is to be looked for.
                        if let Some(before) = missing.replace(error) {
                            self.context.log.say(format_args!("{before}"));
                        }
                        NOWHERE
                    }
                    Err(error) => return Err(error),
                };
                if found != NOWHERE && tie == Tie::Needed {
                    self.list(found);
                } else if found != NOWHERE {
                    self.list_before(found, id);
                    next = own_place;
                }
                let place = self.roster().place_in_batch(id).unwrap_or(usize::MAX);
                if let Some(module) = self.batch.modules.get_mut(place).and_then(Arc::get_mut) {
                    module.needed.push(found);
                }
            }
        }
        missing.map_or(Ok(()), Err)
    }

    /// The module that `name` stands for: one that is loaded, or a file that is mapped now.
    fn library(&mut self, quest: &Quest<'_>) -> Result<ModuleId> {
        let asked = quest.wish.name;
        let is_musl = self.is_musl() && is_musl_name(asked);
        let name = if is_musl { MUSL } else { asked };
        if let Some(id) = by_name(self.world, &self.batch, name) {
            return Ok(id);
        }
        let asking = quest.wish.asker.and_then(|id| self.roster().get(id));
        let asker_name = asking.map_or_else(|| Name::from(""), |module| module.name.clone());
        if let Some(asking) = asking
            && !self.context.tolerant
        {
            demands::check_libc(self.world, &self.batch, name).map_err(|kind| asking.fault(Stage::Map, kind))?;
        }
        self.context
            .log
            .emit(Interest::LIBS | Interest::FILES, || Event::Wanted {
                library: name,
                by: &asker_name,
            });
        if !self.batch.known.has_room() {
            return Err(Kind::os(NO_MEMORY_AT_HAND, Errno::ENOMEM).of(Stage::Map, &Name::new(name)));
        }
        let before = self.batch.modules.len();
        let found = match is_musl {
            true => self.musl(quest),
            false => self.find(quest),
        };
        // musl says who needs a library, and not who calls for it.
        let is_call = quest.wish.purpose == Purpose::Open && self.is_musl();
        let found = found.map_err(|mut error| {
            if self.is_musl() {
                error.culprit = Name::new(asked);
            }
            if is_call { error } else { error.asked_by(&asker_name) }
        })?;
        if self.batch.modules.len() != before {
            self.batch.note_last();
        }
        let known = self
            .roster()
            .get(found)
            .is_some_and(|module| module.name.bytes() == name || module.soname == Some(name));
        let is_path = has_byte(name, b'/');
        if !known || (self.is_musl() && !is_path) {
            self.batch.call(found, name);
        }
        Ok(found)
    }

    /// musl's libc, which has many names and may be found by none of them where lode stands in its place.
    fn musl(&mut self, quest: &Quest<'_>) -> Result<ModuleId> {
        let asked = quest.wish.name;
        let searcher = self.context.searcher;
        let mut names: Vec<&[u8]> = Vec::new();
        for name in searcher.musl().unwrap_or_default() {
            names.push(name);
        }
        names.extend_from_slice(&[asked, MUSL, b"ld-musl-x86_64.so.1"]);
        let mut first = None;
        for name in names {
            let before = self.batch.modules.len();
            let mut quest = *quest;
            quest.wish.name = name;
            let found = self.find(&quest).and_then(|id| match self.roster().get(id) {
                Some(libc) if !is_musl(libc) => Err(libc.fault(Stage::Map, not_musl())),
                _ => Ok(id),
            });
            match found {
                Ok(id) => return Ok(id),
                Err(error) => {
                    self.batch.modules.truncate(before);
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| Kind::OutOfMemory.of(Stage::Map, &Name::new(asked))))
    }

    /// Tries the path that is meant, or each candidate that the search offers.
    fn find(&mut self, quest: &Quest<'_>) -> Result<ModuleId> {
        let mut tried: Vec<Tried> = Vec::new();
        let name = quest.wish.name;
        // What a program opens by its path is most often just that.
        let is_plain_path = quest.wish.purpose == Purpose::Open && has_byte(name, b'/') && !has_byte(name, b'$');
        let found = if is_plain_path {
            self.attempt(quest, &Name::new(name), false, &mut tried)
        } else {
            self.search(quest, &mut tried)
        };
        found.unwrap_or_else(|| Err(missing(name, tried)))
    }

    fn search(&mut self, quest: &Quest<'_>, tried: &mut Vec<Tried>) -> Option<Result<ModuleId>> {
        let Wish { name, purpose, asker } = quest.wish;
        let searcher = self.context.searcher;
        // musl looks for what a program calls for in the program's name, whoever calls.
        let asker = asker.filter(|_| purpose != Purpose::Open || searcher.musl().is_none());
        let (of, mut lineage) = core::mem::take(&mut self.lineage);
        if lineage.is_empty() || of != asker || has_byte(name, b'$') {
            lineage = find_lineage(self.roster(), asker, name, searcher, self.context.host);
        }
        let request = Request {
            name,
            lineage: &lineage,
            purpose,
        };
        let mut directories = core::mem::take(self.context.directories);
        let mut found = None;
        let mut walk = searcher.walk(&request, &mut directories);
        while let Some(step) = walk.next() {
            let candidate = match step {
                Step::Entering(place) => {
                    if self.context.log.interest.contains(Interest::LIBS) {
                        let directories = walk.search_path();
                        self.context.log.emit(Interest::LIBS, || Event::SearchList {
                            place: &place,
                            directories: directories.as_deref(),
                        });
                    }
                    continue;
                }
                Step::Try(candidate) => candidate,
            };
            found = self.attempt(quest, &candidate.path, candidate.is_absent, tried);
            if found.is_some() {
                break;
            }
            if candidate.is_absent {
                continue;
            }
            let host = self.context.host;
            let last = tried.last().map(|tried| &tried.why);
            if matches!(last, Some(Rejected::Os(Errno::ENOENT))) {
                if let Some(directory) = walk.missed(&candidate)
                    && let Some(names) = host.names_in(directory)
                {
                    walk.read(directory, &names);
                }
                while let Some(directory) = walk.unknown_directory(&candidate) {
                    if !walk.learn(directory, host.is_directory(directory)) {
                        break;
                    }
                }
            }
        }
        drop(walk);
        *self.context.directories = directories;
        self.lineage = (asker, lineage);
        found
    }

    /// Tries one path, unless it is known that nothing is there. `None`: it is not taken, and why is noted in `tried`.
    fn attempt(
        &mut self,
        quest: &Quest<'_>,
        name: &Name,
        is_absent: bool,
        tried: &mut Vec<Tried>,
    ) -> Option<Result<ModuleId>> {
        let path = name.bytes();
        self.context.log.emit(Interest::LIBS, || Event::Trying(path));
        let rejected = if is_absent {
            Ok(Rejected::Os(Errno::ENOENT))
        } else {
            match self.candidate(quest, name) {
                Ok(id) => return Some(Ok(id)),
                Err(error) => rejection(error),
            }
        };
        match rejected {
            Ok(why) => {
                let passed = || Event::Passed { path, why: &why };
                self.context.log.emit(Interest::STREAM, passed);
                let path = name.clone();
                tried.push(Tried { path, why });
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Opens one path and maps it, unless it is a file that is mapped already.
    fn candidate(&mut self, quest: &Quest<'_>, name: &Name) -> Result<ModuleId> {
        let file = self
            .context
            .host
            .open(name.bytes())
            .map_err(|kind| kind.of(Stage::Map, name))?;
        if quest.wish.purpose == Purpose::Preload && self.context.trusted_preloads && !file.set_user_id {
            return Err(Kind::Untrusted.of(Stage::Map, name));
        }
        let is_same = |module: &Module| module.identity == Some(file.identity) && module.is_in(self.batch.namespace);
        let known = self.world.modules.find_by(file.identity.hash(), &is_same);
        if let Some(id) = known
            .map(|module| module.id)
            .or_else(|| self.batch.find(FILE, &file_text(file.identity)))
        {
            return Ok(id);
        }
        let (role, asker) = (quest.role, quest.wish.asker);
        let mut near = None;
        loop {
            let parts = map_near(&file, name.clone(), role, asker, self.context, near)?;
            if parts.layout.dynamic.is_none() {
                return Err(Kind::malformed(Rule::DynamicMissing, 0, 0).of(Stage::Map, name));
            }
            let id = self.adopt(parts)?;
            if self.roster().get(id).is_some_and(is_a_libc)
                && let Some(libc) = self.roster().find(&Module::is_libc_of_its_own).map(|libc| libc.id)
                && libc != id
            {
                // Another copy, or another kind: a process has one libc.
                self.batch.modules.pop();
                return Ok(libc);
            }
            let again = if near.is_none() { self.too_far_from(id) } else { None };
            if again.is_none() {
                return Ok(id);
            }
            near = again;
            self.batch.modules.pop();
        }
    }

    /// The range of a module that the new module `id` has to be near and is not: one of the two refers to the other by 32-bit distances.
    fn too_far_from(&self, id: ModuleId) -> Option<(Address, Address)> {
        let roster = self.roster();
        let module = roster.get(id)?;
        for from in &self.reaching {
            let from = roster.get(*from)?;
            let is_far = |other: &Module| {
                let (to, is_new) = if from.id == id {
                    (other, true)
                } else {
                    (module, other.id == from.id)
                };
                is_new
                    && !within_reach(from.range(), to.range())
                    && refers_by_distance(from, self.context.machine, Some(to))
            };
            if let Some(other) = roster.find(&is_far) {
                return Some(other.range());
            }
        }
        None
    }

    /// A preload that cannot be had is a line, not an end: ld.so(8).
    #[cold]
    #[inline(never)]
    fn ignore_preload(&self, wish: &Wish<'_>, error: &Error) {
        let list = match wish.purpose {
            Purpose::SystemPreload => "/etc/ld.so.preload",
            _ => "LD_PRELOAD",
        };
        self.context.log.say(format_args!(
            "ERROR: ld.so: object '{}' from {list} cannot be preloaded ({}): ignored.",
            crate::error::Lossy(wish.name),
            error.short(),
        ));
    }
}

/// The directories that a library which `module` asks for is looked for in, in order.
pub fn search_directories(
    module: ModuleId,
    roster: Roster<'_>,
    searcher: &Searcher<'_>,
    host: &dyn Host,
) -> Vec<Vec<u8>> {
    let name = b"library";
    let lineage = find_lineage(roster, Some(module), name, searcher, host);
    let request = Request {
        name,
        lineage: &lineage,
        purpose: Purpose::Needed,
    };
    let mut known = Directories::new();
    let mut walk = searcher.walk(&request, &mut known);
    let mut all = Vec::new();
    while let Some(step) = walk.next() {
        if matches!(step, Step::Entering(_)) && walk.has_directories() {
            for directory in walk.list() {
                let directory: &[u8] = if directory.is_empty() { b"." } else { directory };
                all.push(directory.to_vec());
            }
        }
    }
    all
}

/// The loaded module that a name means: the path it was found at, its soname, or a name that it was asked by before.
pub fn by_name(world: &World, batch: &Batch, name: &[u8]) -> Option<ModuleId> {
    let has_name = |module: &Module| {
        module.is_in(batch.namespace)
            && module.role != Role::Program
            && (module.soname == Some(name) || module.name.bytes() == name)
    };
    // To musl a library has the name that it was searched by, and no other.
    if !FOR_MUSL.load(Ordering::Relaxed) {
        let known = world.modules.find_by(gnu_hash(name), &has_name);
        let found = known.map(|module| module.id).or_else(|| batch.find(TEXT, name));
        if found.is_some() {
            return found;
        }
    }
    let is_here = |id| world.get(id).is_some_and(|module| module.is_in(batch.namespace));
    let mut names = world.names.iter();
    names
        .find(|(known, id)| known.bytes() == name && is_here(*id))
        .map(|(_, id)| *id)
        .or_else(|| batch.find(NAME, name))
}

/// What a module needs, by its number: its DT_NEEDED, then what it stands in for.
fn need(module: &Module, number: usize) -> Option<(&'static [u8], Tie)> {
    match module.needed_names.get(number) {
        Some(name) => Some((name, Tie::Needed)),
        None => module.filtee_names.get(number - module.needed_names.len()).copied(),
    }
}

/// A library that is nowhere. Apart, because a small stack has no room for what it takes.
#[cold]
#[inline(never)]
fn missing(name: &[u8], tried: Vec<Tried>) -> Box<Error> {
    let library = Name::new(name);
    let culprit = library.clone();
    Kind::Missing { library, tried }.of(Stage::Map, &culprit)
}

/// Why the search goes on after this failure. The error comes back when it must end: out of descriptors or memory, a damaged file.
fn rejection(error: Box<Error>) -> core::result::Result<Rejected, Box<Error>> {
    match error.kind {
        // Memory is refused by EACCES, too, where a policy is asked for it.
        Kind::Os { what, .. } if what == NO_MEMORY_AT_HAND => Err(error),
        Kind::Os { errno, .. } if ends_attempt(errno) => Ok(Rejected::Os(errno)),
        ref kind if matches!(kind, Kind::NotRegular | Kind::Untrusted) || kind.is_unfit() => {
            Ok(Rejected::Unfit(Box::new(error.kind)))
        }
        _ => Err(error),
    }
}

/// Whether a path that cannot be opened for this reason is passed over.
fn ends_attempt(errno: Errno) -> bool {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ENAMETOOLONG => true,
        Errno::ELOOP | Errno::EISDIR => !FOR_MUSL.load(Ordering::Relaxed),
        _ => false,
    }
}

/// Whether a module refers by signed 32-bit distances to symbols of other modules: of any, or of `to`. Relative relocations stand first, and are
/// not looked at.
#[inline(never)]
fn refers_by_distance(module: &Module, machine: &Machine, to: Option<&Module>) -> bool {
    let Some(range) = module.dynamic.rela.filter(|_| !module.is_final) else {
        return false;
    };
    let count = usize::try_from(range.size).unwrap_or(0) / size_of::<Rela>();
    let entries = module.image.table::<Rela>(range.at, count).unwrap_or(Table::EMPTY);
    let mut index = usize::try_from(module.dynamic.relacount).unwrap_or(usize::MAX);
    let mut last = 0;
    let mut is_distance = false;
    while let Some(entry) = entries.get(index) {
        index += 1;
        if entry.kind() != last {
            last = entry.kind();
            is_distance = (machine.relocation)(last).is_some_and(|known| known.ask.is_short_distance());
        }
        if is_distance && let Some(symbol) = module.symbols.get(entry.symbol()) {
            let name = module.symbols.name(&symbol);
            let wanted = Wanted::new(name, None, Use::Call);
            if !symbol.is_defined() && to.is_none_or(|to| to.symbols.find(&wanted).is_some()) {
                return true;
            }
        }
    }
    false
}

/// Reads, checks, plans and maps one file.
///
/// # Errors
/// With the file as the culprit.
pub fn map_file(
    file: &File,
    name: Name,
    role: Role,
    asked_by: Option<ModuleId>,
    context: &Context<'_>,
) -> Result<Box<Parts>> {
    map_near(file, name, role, asked_by, context, None)
}

/// As [`map_file`], near a range of addresses if there is room.
#[inline(never)]
fn map_near(
    file: &File,
    name: Name,
    role: Role,
    asked_by: Option<ModuleId>,
    context: &Context<'_>,
    near: Option<(Address, Address)>,
) -> Result<Box<Parts>> {
    let fault = |fault: Fault| fault.of(Stage::Map, &name);
    let (header, headers) = read_headers(file, context).map_err(fault)?;
    let mut layout = Layout::plan(&header, &headers, Some(file.length), context.page_size).map_err(fault)?;
    layout.near = near;
    layout.huge = dense_piece(context.host, file, &layout);
    let image = context.host.map(file, &layout).map_err(fault)?;
    if let Some((dynamic, _)) = layout.dynamic {
        // It is read first, and relocation writes to its page.
        image.patch().make_own(dynamic);
    }
    let origin = origin_of(name.bytes(), context.host);
    layout.forget_plan();
    Ok(Box::new(Parts {
        name,
        origin,
        role,
        identity: Some(file.identity),
        image,
        layout,
        headers,
        asked_by,
        is_final: false,
    }))
}

/// Reads the header and the program headers of a file.
#[inline(never)]
fn read_headers(file: &File, context: &Context<'_>) -> core::result::Result<(Header, Vec<ProgramHeader>), Fault> {
    let read = |offset, buffer: &mut Vec<u8>| {
        let length = context.host.read(file, offset, buffer);
        buffer.truncate(length.map_err(|errno| Kind::os("cannot read file data", errno))?);
        Ok::<(), Fault>(())
    };
    // Most files have their program headers right behind the header: one read gets both. Not on the stack, which may be small, and is deepest here.
    let mut buffer = alloc::vec![0u8; 64 + 16 * PROGRAM_HEADER_SIZE];
    read(FileOffset(0), &mut buffer)?;
    let header = Header::decode(&buffer, Some(file.length), context.machine)?;
    let size = usize::from(header.phnum) * PROGRAM_HEADER_SIZE;
    let mut start = usize::try_from(header.phoff.0).unwrap_or(usize::MAX);
    if start.checked_add(size).is_none_or(|end| end > buffer.len()) {
        buffer = alloc::vec![0u8; size];
        read(header.phoff, &mut buffer)?;
        start = 0;
    }
    let bytes = buffer.get(start..).unwrap_or_default();
    if bytes.len() < size {
        return Err(Kind::malformed(
            Rule::ProgramHeadersOutsideFile,
            header.phoff.0,
            file.length,
        ));
    }
    let headers = ProgramHeader::table(bytes, header.phnum)?;
    Ok((header, headers))
}

/// The directory of a path, made absolute.
fn origin_of(path: &[u8], host: &dyn Host) -> Option<Name> {
    let directory = directory_of(path)?;
    if directory.starts_with(b"/") {
        return Some(Name::new(directory));
    }
    let mut absolute = host.working_directory()?;
    absolute.extend_from_slice(b"/");
    absolute.extend_from_slice(directory);
    Some(Name::new(&absolute))
}

/// Whether a program relocates itself, and protects what it relocated: it asks neither for an interpreter nor for a library, and has no dynamic section or is
/// marked as a program (a static PIE).
fn starts_itself(module: &Module) -> bool {
    module.role == Role::Program
        && module.layout.interpreter.is_none()
        && module.needed_names.is_empty()
        && (module.layout.dynamic.is_none() || module.dynamic.flags_1.contains(Flags1::PIE))
}

/// The name that all names of musl's libc stand for.
const MUSL: &[u8] = b"libc.so";

/// What follows `lib` in them. Behind it may stand anything: libraries of glibc have such names too.
const MUSL_NAMES: &str = "c.\npthread.\nrt.\nm.\ndl.\nutil.\nxnet.";

/// Whether musl's libc is meant by a name.
fn is_musl_name(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"lib");
    rest.is_some_and(|rest| MUSL_NAMES.lines().any(|known| rest.starts_with(known.as_bytes())))
}

/// Whether a file is musl's libc, which is its own loader, and exports the second and the third stage of it.
pub fn is_musl(module: &Module) -> bool {
    defines(module, b"__dls2b") && defines(module, b"__dls3")
}

/// What is wrong with a file by the name of musl's libc that is not [`is_musl`].
#[cold]
pub fn not_musl() -> Kind {
    Kind::UnknownMusl {
        version: Name::new(b""),
        lacks: Name::from("__dls2b, __dls3"),
    }
}

/// Whether a file is some libc.
fn is_a_libc(module: &Module) -> bool {
    defines(module, b"__libc_start_main") && defines(module, b"stdin")
}

fn defines(module: &Module, name: &[u8]) -> bool {
    module.symbols.find(&Wanted::new(name, None, Use::Call)).is_some()
}

/// What a search for `wanted` needs of one module.
fn link(module: &Module, wanted: &[u8], host: &dyn Host) -> Link<'static> {
    let text = |offset: Option<u64>| offset.and_then(|offset| module.symbols.string(offset).ok());
    let (rpath, runpath) = (text(module.dynamic.rpath), text(module.dynamic.runpath));
    let mut texts = [rpath.unwrap_or_default(), runpath.unwrap_or_default(), wanted].into_iter();
    let is_program = module.role == Role::Program;
    Link {
        name: module.name.clone(),
        // The program's costs a system call, so it is asked for only when a path names it.
        origin: match is_program && texts.any(tokens::names_origin) {
            true => host.program_origin(),
            false => module.origin.clone().filter(|_| !is_program),
        },
        rpath,
        runpath,
        no_default_directories: module.dynamic.flags_1.contains(Flags1::NODEFLIB),
        is_program,
    }
}

/// The chain of modules whose search paths may count for one name: the asker, then, unless it has a RUNPATH, those of whoever asked for it that have a list, and so on
/// up to the program.
fn find_lineage(
    roster: Roster<'_>,
    asker: Option<ModuleId>,
    wanted: &[u8],
    searcher: &Searcher<'_>,
    host: &dyn Host,
) -> Vec<Link<'static>> {
    let mut lineage: Vec<Link<'static>> = Vec::new();
    let mut next = asker.and_then(|id| roster.get(id));
    let mut has_program = false;
    loop {
        // The program is last, whoever asks.
        if next.is_none() && !has_program {
            next = roster.find(&|module| module.role == Role::Program);
        }
        let Some(module) = next else { break };
        has_program = module.role == Role::Program;
        let dynamic = &module.dynamic;
        if lineage.is_empty() || dynamic.rpath.or(dynamic.runpath).is_some() {
            lineage.push(link(module, wanted, host));
        }
        if searcher.musl().is_none() && lineage.first().is_some_and(|asker| asker.runpath.is_some()) {
            break;
        }
        next = module.asked_by.and_then(|id| roster.get(id));
    }
    lineage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_refused_ends_a_search_and_a_file_that_may_not_be_read_does_not() {
        for (what, goes_on) in [(NO_MEMORY_AT_HAND, false), ("cannot open shared object file", true)] {
            let error = Kind::os(what, Errno::EACCES).of(Stage::Map, &Name::from("libx.so"));
            assert_eq!(rejection(error).is_ok(), goes_on);
        }
    }
}
