//! What is loaded: modules, the world they make, and the outside that lode reaches through [`Host`].
#![forbid(unsafe_code)]

mod catalogue;
mod modules;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use spin::Mutex;

use crate::elf::dynamic::Dynamic;
use crate::elf::note::LevelFeatures;
use crate::elf::segment::{Access, ProgramHeader};
use crate::elf::symbol::Symbol;
use crate::elf::{Address, Bias, FileOffset, SymbolIndex, Vaddr};
use crate::error::{Errno, Error, Fault, KernelVersion, Kind, Name, Stage};
use crate::image::{Image, Memory};
use crate::layout::Layout;
use crate::symbols::Symbols;
pub use catalogue::hash_of_number;
pub use modules::Modules;

/// The number of a module in its world: the order of loading, never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub u32);

/// Which namespace a module is in (`dlmopen(3)`): references and names lead to modules of the same one. lode itself is in
/// all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Namespace(pub u8);

impl Namespace {
    /// That of the program.
    pub const BASE: Namespace = Namespace(0);
    /// How many there may be: glibc's number.
    pub const MOST: u8 = 16;

    /// Its bit in a set of namespaces.
    pub fn bit(self) -> u16 {
        1u16.wrapping_shl(self.0.into())
    }
}

/// What a module is to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program.
    Program,
    /// A library that the program needs, directly or not, or a preload.
    Library,
    /// A library that `dlopen` brought.
    Opened,
    /// The kernel's own library.
    Vdso,
    /// lode itself.
    Loader,
}

/// Which file a module came from: two paths with one identity are one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

impl Identity {
    /// What a module is found by whose file it is ([`Modules::find_by`]).
    pub fn hash(self) -> u32 {
        hash_of_number(self.inode ^ self.device.rotate_left(32))
    }
}

/// A module's thread-local storage, once it has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSlot {
    /// The module number that DTPMOD relocations store; 1 is the first.
    pub id: u64,
    /// Bytes below the thread pointer, if the block is in static TLS (variant II).
    pub offset: Option<u64>,
}

/// Why a module has another one loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// DT_NEEDED
    Needed,
    /// DT_FILTER: it stands in for that library.
    Filter,
    /// DT_AUXILIARY: it stands in for that library, if there is one.
    Auxiliary,
}

/// [`Module::state`]: constructors have not run.
pub const FRESH: u32 = 0;
/// [`Module::state`]: constructors are running or ran.
pub const INITIALISED: u32 = 1;
/// [`Module::state`]: destructors are running or ran, at the end of the process.
pub const FINALISED: u32 = 2;
/// [`Module::state`]: destructors are running or ran because nobody needed the module any longer. It goes, even if one of them opens it.
pub const CLOSED: u32 = 3;

/// One mapped file.
///
/// What `dl_iterate_phdr` reads of each stands together at the beginning: that call waits for memory and for nothing else.
#[derive(Debug)]
#[repr(C)]
pub struct Module {
    /// Its number.
    pub id: ModuleId,
    /// What it is to the process.
    pub role: Role,
    /// Where it can be found from.
    pub namespace: Namespace,
    /// How many program headers it has.
    pub header_count: u16,
    /// Their run-time address; 0: they are not mapped.
    pub headers_at: u64,
    /// Run-time address of link-time address 0.
    pub bias: Bias,
    /// Address of its link_map, once it has one.
    pub link_map: AtomicUsize,
    /// TLS number (low word) and static offset; see [`Module::tls`].
    tls_id: AtomicU64,
    tls_offset: AtomicU64,
    /// What was known when it had been mapped.
    parts: Parts,
    /// Its dynamic section.
    pub dynamic: Dynamic,
    /// Its dynamic symbols.
    pub symbols: Symbols,
    /// DT_SONAME.
    pub soname: Option<&'static [u8]>,
    /// DT_NEEDED as names.
    pub needed_names: Vec<&'static [u8]>,
    /// DT_FILTER and DT_AUXILIARY as names: libraries whose definitions come before its own.
    pub filtee_names: Vec<(&'static [u8], Tie)>,
    /// The modules that [`Module::needed_names`] became, in the same order, then those that [`Module::filtee_names`] became.
    pub needed: Vec<ModuleId>,
    /// The modules that its group of `dlopen` brought, in breadth-first order; for modules of the start the global scope.
    pub group: Arc<Vec<ModuleId>>,
    /// [`FRESH`], [`INITIALISED`], [`FINALISED`] or [`CLOSED`].
    pub state: AtomicU32,
    /// The memory of that link_map, where it goes with the module.
    pub records: Mutex<Option<Memory>>,
    /// A reference got its definition from here, while that was watched ([`Interest::UNUSED`](crate::event::Interest::UNUSED)).
    pub is_used: AtomicBool,
    /// Opened with RTLD_DEEPBIND: its references look into its own group before the global scope.
    pub binds_deep: bool,
    /// Its turn among the modules whose constructors have begun, from 1, twice; and one more when all of them have returned. 0 before that.
    pub constructed: AtomicU32,
    /// How often `dlopen` returned it and `dlclose` did not take it back.
    pub opened: AtomicU32,
    /// Stays for ever: see [`Module::pin`].
    pinned: AtomicBool,
    /// Whether what nobody may write to is sealed.
    pub sealed: AtomicBool,
    /// The numbers of modules that its references were bound to besides what it needs; 0 is a free place.
    bound: [AtomicU32; MOST_BOUND],
    /// How often a published module that `dlopen` brought needs this one, or is noted to be bound to it; never less than that.
    pub wanted: AtomicU32,
    /// Whether what this module leads to counts there: it is published.
    leads: AtomicBool,
}

/// How many modules besides those that it needs a module notes that it is bound to. What goes beyond is never unloaded.
const MOST_BOUND: usize = 8;

const NOT_STATIC: u64 = u64::MAX;

/// What is known of a module when it has just been mapped, and stays with it.
#[derive(Debug)]
pub struct Parts {
    /// Its path, for people and for the link map (where the program's entry is empty).
    pub name: Name,
    /// The directory that `$ORIGIN` stands for; the program's is asked for when it is needed ([`Host::program_origin`]).
    pub origin: Option<Name>,
    /// See [`Module::role`].
    pub role: Role,
    /// Device and inode, if it came from a file that lode opened.
    pub identity: Option<Identity>,
    /// Its memory.
    pub image: Image,
    /// Where its segments are.
    pub layout: Layout,
    /// Its program headers as they stand in the file.
    pub headers: Vec<ProgramHeader>,
    /// Who asked for it first: the chain that DT_RPATH is inherited along.
    pub asked_by: Option<ModuleId>,
    /// Arrived relocated: nothing is stored into it, and no constructor of it is run.
    pub is_final: bool,
}

impl Deref for Module {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl DerefMut for Module {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }
}

impl Module {
    /// Decodes the dynamic section and the symbol tables of a freshly mapped file.
    ///
    /// # Errors
    /// The rule that the file breaks; the caller names the culprit.
    pub fn new(id: ModuleId, parts: Box<Parts>) -> Result<Arc<Module>, Fault> {
        let mut module = Module::undecoded(id, parts);
        if let Some(module) = Arc::get_mut(&mut module) {
            module.decode()?;
        }
        Ok(module)
    }

    /// A module whose tables have not been looked at. Modules are made where they stay: they are large, and stacks may be small.
    #[inline(never)]
    fn undecoded(id: ModuleId, parts: Box<Parts>) -> Arc<Module> {
        Arc::new_cyclic(|_| Module {
            id,
            role: parts.role,
            namespace: Namespace::BASE,
            header_count: parts.headers.len() as u16,
            headers_at: parts.layout.phdr.map_or(0, |phdr| phdr.at(parts.image.bias()).0),
            bias: parts.image.bias(),
            dynamic: Dynamic::default(),
            symbols: Symbols::none(),
            soname: None,
            needed_names: Vec::new(),
            needed: Vec::new(),
            filtee_names: Vec::new(),
            group: Arc::default(),
            tls_id: AtomicU64::new(0),
            tls_offset: AtomicU64::new(NOT_STATIC),
            state: AtomicU32::new(FRESH),
            link_map: AtomicUsize::new(0),
            records: Mutex::new(None),
            is_used: AtomicBool::new(false),
            binds_deep: false,
            constructed: AtomicU32::new(0),
            opened: AtomicU32::new(0),
            pinned: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            bound: Default::default(),
            wanted: AtomicU32::new(0),
            leads: AtomicBool::new(false),
            parts: *parts,
        })
    }

    // Not part of `new`, whose frame is on the stack while the module is made.
    #[inline(never)]
    fn decode(&mut self) -> Result<(), Fault> {
        read_dynamic(&mut self.dynamic, &self.parts.image, &self.parts.layout)?;
        self.symbols.read(&self.parts.image, &self.dynamic)?;
        let (dynamic, symbols) = (&self.dynamic, &self.symbols);
        self.soname = dynamic.soname.map(|offset| symbols.string(offset)).transpose()?;
        self.needed_names.reserve_exact(dynamic.needed.len());
        for offset in &dynamic.needed {
            self.needed_names.push(symbols.string(*offset)?);
        }
        for (offsets, tie) in [(&dynamic.auxiliary, Tie::Auxiliary), (&dynamic.filter, Tie::Filter)] {
            for offset in offsets {
                self.filtee_names.push((symbols.string(*offset)?, tie));
            }
        }
        self.needed.reserve_exact(self.needed_names.len());
        Ok(())
    }

    /// The place of its thread-local storage; `None` when it has none or no place yet.
    pub fn tls(&self) -> Option<TlsSlot> {
        let id = self.tls_id.load(Ordering::Relaxed);
        let offset = self.tls_offset.load(Ordering::Relaxed);
        (id != 0).then_some(TlsSlot {
            id,
            offset: (offset != NOT_STATIC).then_some(offset),
        })
    }

    /// Gives its thread-local storage a place.
    pub fn set_tls(&self, slot: TlsSlot) {
        self.tls_offset
            .store(slot.offset.unwrap_or(NOT_STATIC), Ordering::Relaxed);
        self.tls_id.store(slot.id, Ordering::Relaxed);
    }

    /// The libraries whose definitions come before its own.
    pub fn filtees(&self) -> &[ModuleId] {
        self.needed.get(self.needed_names.len()..).unwrap_or_default()
    }

    /// The run-time address of a link-time address.
    pub fn at(&self, vaddr: Vaddr) -> Address {
        vaddr.at(self.image.bias())
    }

    /// The run-time address of an entry of its symbol table.
    pub fn symbol_address(&self, index: SymbolIndex) -> Option<Address> {
        let table = self.dynamic.symtab?;
        let entry = u64::from(index.0) * size_of::<Symbol>() as u64;
        Some(self.at(Vaddr(table.0.wrapping_add(entry))))
    }

    /// First and first-behind-the-last run-time address of its mapping.
    pub fn range(&self) -> (Address, Address) {
        let (start, length) = self.layout.span;
        let start = self.at(start);
        (start, Address(start.0.wrapping_add(length)))
    }

    /// Whether `address` lies in one of its segments.
    pub fn contains(&self, address: Address) -> bool {
        let (start, end) = self.range();
        start <= address && address < end && self.image.extent(address.in_image(self.image.bias()), 1).is_some()
    }

    /// Whether it is a libc that relocates and starts itself: musl's.
    pub fn is_libc_of_its_own(&self) -> bool {
        self.is_final && self.role == Role::Library
    }

    /// Whether modules of a namespace find it.
    pub fn is_in(&self, namespace: Namespace) -> bool {
        self.namespace == namespace || self.role == Role::Loader
    }

    /// Keeps it for ever: DF_1_NODELETE, RTLD_NODELETE, or a reference to it from what is never unloaded.
    pub fn pin(&self) {
        self.pinned.store(true, Ordering::Release);
    }

    /// Whether it is kept for ever.
    pub fn is_pinned(&self) -> bool {
        self.pinned.load(Ordering::Acquire)
    }

    /// Notes that a reference of this module was bound to `target`, which then stays as long as this module does. A call from a
    /// signal handler may come at any time, so it takes neither lock nor memory.
    pub fn bind_to(&self, target: &Module) {
        if target.role != Role::Opened || target.id == self.id || self.needed.contains(&target.id) {
            return;
        }
        if self.role != Role::Opened {
            target.pin();
            return;
        }
        // It counts before it is noted: who compares the two takes a module for wanted rather than not.
        let count = u32::from(self.leads.load(Ordering::Acquire));
        target.wanted.fetch_add(count, Ordering::AcqRel);
        for place in &self.bound {
            match place.compare_exchange(0, target.id.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(known) if known == target.id.0 => {
                    target.wanted.fetch_sub(count, Ordering::AcqRel);
                    return;
                }
                Err(_) => {}
            }
        }
        target.pin();
    }

    /// The modules that [`Module::bind_to`] noted.
    pub fn bound_to(&self) -> impl Iterator<Item = ModuleId> {
        let numbers = self.bound.iter().map(|place| place.load(Ordering::Acquire));
        numbers.filter(|number| *number != 0).map(ModuleId)
    }

    /// Gives the modules that stay as long as this one does: what it needs, and what it is bound to.
    #[inline(never)]
    pub fn leads_to(&self, take: &mut dyn FnMut(ModuleId)) {
        for id in &self.needed {
            take(*id);
        }
        for id in self.bound_to() {
            take(id);
        }
    }

    /// A stage's error with this module as the culprit.
    pub fn fault(&self, stage: Stage, fault: impl Into<Fault>) -> alloc::boxed::Box<crate::error::Error> {
        fault.into().of(stage, &self.name)
    }
}

fn read_dynamic(dynamic: &mut Dynamic, image: &Image, layout: &Layout) -> Result<(), Fault> {
    use crate::elf::dynamic::Dyn;
    use crate::error::Rule;
    let Some((at, size)) = layout.dynamic else {
        dynamic.count = 1;
        return Ok(());
    };
    let entries = image
        .table::<Dyn>(at, (size / 16) as usize)
        .ok_or_else(|| Kind::malformed(Rule::DynamicOutside, at.0, size))?;
    dynamic.decode_all(&mut entries.iter())
}

/// Everything that earlier batches loaded.
///
/// A published world never changes: whoever loads or unloads something makes the next one from a copy ([`World::copied`]).
#[derive(Debug, Default)]
pub struct World {
    /// Ascending by [`ModuleId`], with gaps where modules were unloaded.
    pub modules: Modules,
    /// The number that the next module gets. Published worlds count on; a number is never used twice.
    pub next: ModuleId,
    /// The order of the link map: the program first, then as modules came.
    pub list: Vec<ModuleId>,
    /// Where each module is, ascending.
    pub ranges: Vec<Range>,
    /// The global scopes of all namespaces, one behind the other: the program, its preloads and libraries, and what RTLD_GLOBAL added; and what
    /// was first opened in each further namespace with all that it needs.
    pub global: Vec<ModuleId>,
    /// The names that modules were asked by, besides their path and soname.
    pub names: Vec<(Name, ModuleId)>,
    /// The places of thread-local storage that are taken.
    pub tls: crate::tls::TlsPlan,
    /// STB_GNU_UNIQUE symbols that some reference was bound to: the first definition serves the whole process.
    pub unique: Vec<Unique>,
    /// How many filters of modules of the global scope were asked for references since the start.
    pub filters: u64,
}

/// Among so few modules a look at each is as fast.
const FEW: usize = 16;

/// How many modules' filters can be asked while a definition is taken into the catalogue.
const FILTERS_PER_DEFINITION: u64 = 2;

/// Takes a module out of a list, if it is there.
#[inline(never)]
fn take_out(list: &mut Vec<ModuleId>, id: ModuleId) -> bool {
    let place = list.iter().rposition(|known| *known == id);
    place.map(|place| list.remove(place)).is_some()
}

/// Where a module is, with what unwinders ask for each frame.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Its first address.
    pub start: Address,
    /// The first one behind it.
    pub end: Address,
    /// Which module it is.
    pub id: ModuleId,
    /// The address of its link_map.
    pub link_map: usize,
    /// Where its unwind table is (PT_GNU_EH_FRAME); 0: it has none.
    pub eh_frame_hdr: Address,
}

/// The definition that a STB_GNU_UNIQUE name stands for in this process: the name, the module, its symbol.
pub type Unique = (Name, ModuleId, SymbolIndex);

impl World {
    /// The modules as a roster without a batch.
    pub fn roster(&self) -> Roster<'_> {
        Roster {
            world: &self.modules,
            batch: &[],
        }
    }

    /// The module that an address belongs to.
    pub fn at(&self, address: Address) -> Option<&Arc<Module>> {
        self.get(self.range_at(address)?.id)
    }

    /// Where the module is that an address belongs to.
    #[inline(never)]
    pub fn range_at(&self, address: Address) -> Option<&Range> {
        let mut rest = self.ranges.as_slice();
        // Halves while there are two: it is in the second one if that begins before it.
        while let Some((low, high)) = rest.split_at_checked(rest.len() / 2).filter(|(low, _)| !low.is_empty()) {
            let is_high = high.first().is_some_and(|range| range.start <= address);
            rest = if is_high { high } else { low };
        }
        rest.first()
            .filter(|range| range.start <= address && address < range.end)
    }

    /// The module with a number; `None` when it has been unloaded, or is not part of this world.
    pub fn get(&self, id: ModuleId) -> Option<&Arc<Module>> {
        self.modules.get(id)
    }

    /// Takes modules in, whose numbers go on from [`World::next`].
    pub fn extend(&mut self, modules: Vec<Arc<Module>>) {
        let first_new = self.next;
        for module in modules {
            let (start, end) = module.range();
            let range = Range {
                start,
                end,
                id: module.id,
                link_map: module.link_map.load(Ordering::Acquire),
                eh_frame_hdr: module.layout.eh_frame_hdr.map_or(Address(0), |(at, _)| module.at(at)),
            };
            self.ranges.insert(self.place_of_range(start), range);
            self.next = ModuleId(module.id.0 + 1);
            self.modules.add(module);
        }
        for module in self.modules.from(first_new) {
            if module.role == Role::Opened {
                self.count(module, 1);
                module.leads.store(true, Ordering::Release);
            }
        }
    }

    /// Counts as often as this that a module leads to others.
    pub fn count(&self, module: &Module, times: u32) {
        module.leads_to(&mut |id| {
            if let Some(target) = self.get(id) {
                target.wanted.fetch_add(times, Ordering::AcqRel);
            }
        });
    }

    fn place_of_range(&self, start: Address) -> usize {
        self.ranges.partition_point(|range| range.start < start)
    }

    /// A copy to change and publish next.
    pub fn copied(&self) -> World {
        World {
            modules: self.modules.clone(),
            next: self.next,
            list: self.list.clone(),
            ranges: self.ranges.clone(),
            global: self.global.clone(),
            names: self.names.clone(),
            tls: self.tls,
            unique: self.unique.clone(),
            filters: self.filters,
        }
    }

    /// Leaves a module out.
    pub fn remove(&mut self, module: &Module) {
        let id = module.id;
        let is_global = take_out(&mut self.global, id);
        self.modules.remove(module, is_global);
        take_out(&mut self.list, id);
        self.names.retain(|(_, known)| *known != id);
        let place = self.place_of_range(module.range().0);
        if self.ranges.get(place).is_some_and(|range| range.id == id) {
            self.ranges.remove(place);
        }
    }

    /// Has everybody find modules without a look at each: called when a batch has been added and has its link_maps, before it is published.
    ///
    /// `references` is about how many of the batch were looked up. When the modules of the global scope have been asked for so many that a table of all that they
    /// define would have been cheaper, there is one from then on.
    pub fn catalogue(&mut self, first_new: ModuleId, references: u64) {
        self.filters = self
            .filters
            .saturating_add(references.saturating_mul(self.global.len() as u64));
        let mut is_worth_it = self.modules.covered() != 0;
        if !is_worth_it && self.global.len() > FEW {
            let mut filters = 0;
            for module in self.global.iter().filter_map(|id| self.get(*id)) {
                filters += module.symbols.likely_count() * FILTERS_PER_DEFINITION;
            }
            is_worth_it = self.filters > filters;
        }
        self.modules.catalogue(first_new, &self.global, is_worth_it);
    }

    /// Whether a namespace holds anything of its own.
    pub fn has(&self, namespace: Namespace) -> bool {
        let is_own =
            |module: &Arc<Module>| module.namespace == namespace && !matches!(module.role, Role::Loader | Role::Vdso);
        self.modules.iter().any(is_own)
    }

    /// The program.
    pub fn program(&self) -> Option<&Arc<Module>> {
        self.modules.iter().find(|module| module.role == Role::Program)
    }

    /// The address of the first link_map of a namespace, with which the list begins that debuggers and libc walk; 0 if there is none.
    pub fn first_map(&self, namespace: Namespace) -> usize {
        let is_first = |module: &&Arc<Module>| match namespace {
            Namespace::BASE => module.role == Role::Program,
            _ => module.namespace == namespace,
        };
        let first = self.modules.iter().find(is_first);
        first.map_or(0, |module| module.link_map.load(Ordering::Acquire))
    }
}

impl World {
    /// The address of a link_map at the end of a namespace's list, or near it; 0 if there is none.
    pub fn late_map(&self, namespace: Namespace) -> usize {
        let is_here = |module: &&Arc<Module>| module.namespace == namespace;
        let late = self
            .modules
            .last()
            .filter(is_here)
            .or_else(|| self.modules.iter().find(is_here));
        late.map_or(0, |module| module.link_map.load(Ordering::Acquire))
    }
}

/// The modules of the world and of the batch that is being linked, by one numbering.
#[derive(Clone, Copy, Debug)]
pub struct Roster<'a> {
    /// Loaded before.
    pub world: &'a Modules,
    /// Being loaded: numbers go on from the world's.
    pub batch: &'a [Arc<Module>],
}

/// What stands in [`Module::needed`] for a library that was not found while only listing: no module has this number.
pub const NOWHERE: ModuleId = ModuleId(u32::MAX);

impl<'a> Roster<'a> {
    /// The module with a number; `None` when it has been unloaded.
    #[inline]
    pub fn get(&self, id: ModuleId) -> Option<&'a Module> {
        let module = match self.place_in_batch(id) {
            Some(place) => self.batch.get(place),
            None => self.world.get(id),
        };
        module.map(|module| &**module)
    }

    /// Where a module of the batch stands in it: numbers are given in order.
    #[inline]
    pub fn place_in_batch(&self, id: ModuleId) -> Option<usize> {
        let first = self.batch.first()?.id;
        Some(id.0.checked_sub(first.0)? as usize)
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.world.places() + self.batch.len()
    }

    /// The place of a module among all: the world's, then the batch's.
    pub fn place(&self, id: ModuleId) -> Option<usize> {
        match self.place_in_batch(id) {
            Some(place) => (place < self.batch.len()).then_some(self.world.places() + place),
            None => Some(self.world.placed(id)?.0),
        }
    }

    /// An error of a stage after mapping, which knows its culprit only, with the module that asked for the culprit.
    #[cold]
    pub fn with_asker(&self, error: Box<Error>) -> Box<Error> {
        let culprit = self.find(&|module| module.name == error.culprit);
        match culprit.and_then(|module| self.get(module.asked_by?)) {
            Some(asker) => error.asked_by(&asker.name),
            None => error,
        }
    }

    /// The first module that is like this.
    #[inline(never)]
    pub fn find(&self, is_wanted: &dyn Fn(&Module) -> bool) -> Option<&'a Module> {
        self.iter().find(|module| is_wanted(module))
    }

    /// The module that has this number among those with thread-local storage.
    pub fn by_tls_number(&self, number: u64) -> Option<&'a Module> {
        self.find(&|module| module.tls().is_some_and(|slot| slot.id == number))
    }

    /// Every module.
    pub fn iter(&self) -> Everybody<'a> {
        Everybody {
            world: self.world.iter(),
            batch: self.batch.iter(),
        }
    }
}

/// Goes through the modules of a [`Roster`].
#[derive(Clone, Debug)]
pub struct Everybody<'a> {
    world: modules::Iter<'a>,
    batch: core::slice::Iter<'a, Arc<Module>>,
}

impl<'a> Iterator for Everybody<'a> {
    type Item = &'a Module;

    #[inline(never)]
    fn next(&mut self) -> Option<&'a Module> {
        let module = self.world.next().or_else(|| self.batch.next())?;
        Some(module)
    }
}

/// An open regular file.
#[derive(Debug)]
pub struct File {
    /// Device and inode.
    pub identity: Identity,
    /// Length in bytes when it was opened.
    pub length: u64,
    /// Whether it has the set-user-ID bit.
    pub set_user_id: bool,
    /// The descriptor, or whatever the host counts by.
    pub descriptor: i32,
    /// Gives the descriptor back.
    pub close: fn(i32),
}

impl Drop for File {
    fn drop(&mut self) {
        (self.close)(self.descriptor);
    }
}

/// The outside: files, mappings, and calls into loaded code. Linux in the product, byte vectors in tests.
pub trait Host {
    /// Opens a regular file for reading. Anything else than a regular file is [`Kind::NotRegular`].
    ///
    /// # Errors
    /// [`Kind::Os`] with the kernel's reason.
    fn open(&self, path: &[u8]) -> Result<File, Fault>;

    /// Reads up to `into.len()` bytes at `offset`; fewer at the end of the file.
    ///
    /// # Errors
    /// The kernel's.
    fn read(&self, file: &File, offset: FileOffset, into: &mut [u8]) -> Result<usize, Errno>;

    /// Maps a file as its layout plans.
    ///
    /// # Errors
    /// [`Kind::Os`] with what failed.
    fn map(&self, file: &File, layout: &Layout) -> Result<Image, Fault>;

    /// Changes the protection of whole pages of a module.
    ///
    /// # Errors
    /// The kernel's.
    fn protect(&self, image: &Image, start: Vaddr, length: u64, access: Access) -> Result<(), Errno>;

    /// Seals whole pages of a module: nobody unmaps them or changes their protection any more (mseal(2), Linux 6.10). A host that cannot
    /// leaves them as they are.
    fn seal(&self, image: &Image, start: Vaddr, length: u64);

    /// Gives back the memory of pages that lie wholly in `length` bytes of a file's part that nobody writes to; who reads them again gets them from the file again. A host that cannot keeps
    /// them.
    fn forget(&self, _image: &Image, _start: Vaddr, _length: u64) {}

    /// Calls an IFUNC resolver of the program and returns its answer.
    fn resolve(&self, resolver: Address) -> Address;

    /// Whether a path names a directory.
    fn is_directory(&self, path: &[u8]) -> bool;

    /// All names of a directory, each with a NUL behind. `None` where a file may be opened by a name that is not among them, or may soon, or where they are too many to be
    /// worth reading.
    fn names_in(&self, _directory: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The directory of the program's file, absolute and with links resolved.
    fn program_origin(&self) -> Option<Name>;

    /// The working directory.
    fn working_directory(&self) -> Option<Vec<u8>>;

    /// The version of the kernel: newer than all, where no kernel is to start anything.
    fn kernel(&self) -> KernelVersion {
        KernelVersion(u64::MAX)
    }

    /// The features of x86-64 levels that the CPU lacks.
    fn cpu_lacks(&self) -> LevelFeatures {
        LevelFeatures::default()
    }
}
