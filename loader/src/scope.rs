//! Which definition a reference gets: the walk over modules in scope order.
//!
//! The walk is the reference: the [`Index`] has to give the same answer. Rules that toys get wrong are in
//! [`crate::symbols`] (one module) and in [`Scope::resolve`] (protected, symbolic, unique, the program's COPY).
#![forbid(unsafe_code)]

pub mod index;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::elf::symbol::{self, Symbol};
use crate::elf::{Address, SymbolIndex};
use crate::error::FOR_MUSL;
use crate::event::{Event, Interest, Log};
use crate::symbols::{Use, Version, Wanted};
use crate::world::{Module, ModuleId, Namespace, Role, Roster, Unique};
pub use index::Index;

/// `LD_DYNAMIC_WEAK`: a definition that is not weak wins over weak ones that come before it. Set before the first look-up.
pub static DYNAMIC_WEAK: AtomicBool = AtomicBool::new(false);

/// `--resolver`: 0, [`WALK`] or [`INDEX`]. With 0 there is an index where it pays. Set before the first relocation.
pub static RESOLVER: AtomicU8 = AtomicU8::new(0);
/// There is never an index.
pub const WALK: u8 = 1;
/// There is an index wherever the walk is not asked for otherwise.
pub const INDEX: u8 = 2;

/// A definition that a reference got.
#[derive(Clone, Copy, Debug)]
pub struct Definition<'a> {
    /// The module that defines it.
    pub module: &'a Module,
    /// Its index there.
    pub index: SymbolIndex,
    /// The symbol.
    pub symbol: Symbol,
}

/// A definition by the number of its symbol, as it is handed on while it is looked for.
pub type Found<'a> = (&'a Module, SymbolIndex);

impl<'a> Definition<'a> {
    /// That of a symbol.
    #[inline(always)]
    pub fn of((module, index): Found<'a>) -> Option<Definition<'a>> {
        let symbol = module.symbols.get(index)?;
        Some(Definition { module, index, symbol })
    }

    /// The run-time address of the definition. Absolute symbols do not move with their module (gABI, SHN_ABS).
    pub fn address(&self) -> Address {
        if self.symbol.section == symbol::SHN_ABS {
            Address(self.symbol.value)
        } else {
            self.module.at(crate::elf::Vaddr(self.symbol.value))
        }
    }

    /// Whether the address is a resolver to be called (STT_GNU_IFUNC).
    pub fn is_indirect(&self) -> bool {
        self.symbol.kind() == symbol::STT_GNU_IFUNC && self.symbol.is_defined()
    }
}

/// The order in which modules are asked, for the references of one module.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a, 'l> {
    /// All modules.
    pub roster: Roster<'a>,
    /// Modules of others are passed over.
    pub namespace: Namespace,
    /// Lists of modules in order; a module may stand in several.
    pub lists: [&'l [ModuleId]; 2],
    /// STB_GNU_UNIQUE symbols that have their definition already.
    pub unique: &'l [Unique],
    /// The beginning of one of the lists: those whose definitions are in the catalogue ([`Modules::covered`](crate::world::Modules::covered)).
    pub covered: &'l [ModuleId],
    /// Who of the lists has which name, where that was worth finding out.
    pub index: Option<&'l Index<'a>>,
}

/// A reference that a relocation makes.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'s> {
    /// Its symbol in the module that makes it.
    pub index: SymbolIndex,
    /// The same.
    pub symbol: Symbol,
    /// The symbol's name with its [`gnu_hash`](crate::elf::hash::gnu_hash), if it has been read.
    pub name: Option<(&'static [u8], u32)>,
    /// The version that is asked for.
    pub version: Option<&'s Version>,
    /// What the definition is for.
    pub purpose: Use,
}

impl<'a> Scope<'a, '_> {
    /// What musl finds for a name of which there is no definition of the wanted version. Up to 1.2.3 libc had names for files of 64-bit length
    /// (`open64`), and files that were built then ask for them: they are libc's plain ones.
    #[cold]
    #[inline(never)]
    fn find_as_musl(&self, name: &[u8], purpose: Use, log: Log<'_>) -> Option<Found<'a>> {
        let mut wanted = Wanted::new(name, None, purpose);
        wanted.newest = true;
        if let Some(found) = self.locate(&wanted, None, log) {
            return Some(found);
        }
        let (front, behind) = match name.strip_suffix(b"_r") {
            Some(front) => (front, &b"_r"[..]),
            None => (name, &b""[..]),
        };
        let short = [front.strip_suffix(b"64")?, behind].concat();
        let module = self.roster.find(&Module::is_libc_of_its_own)?;
        Some((module, module.symbols.find_index(&Wanted::new(&short, None, purpose))?))
    }

    /// The first definition of `wanted` in scope order, `skip` left out (COPY relocations skip the program).
    pub fn find(&self, wanted: &Wanted<'_>, skip: Option<ModuleId>, log: Log<'_>) -> Option<Definition<'a>> {
        Definition::of(self.locate(wanted, skip, log)?)
    }

    fn locate(&self, wanted: &Wanted<'_>, skip: Option<ModuleId>, log: Log<'_>) -> Option<Found<'a>> {
        // No reference that an index is made for skips a module.
        if let (Some(index), None) = (self.index, skip) {
            return Some(self.chosen(index.find(wanted)?, wanted, log));
        }
        let mut strong = DYNAMIC_WEAK.load(Ordering::Relaxed);
        loop {
            for list in self.lists {
                if let Some(found) = self.search(list, wanted, skip, strong, log) {
                    return Some(found);
                }
            }
            if !core::mem::replace(&mut strong, false) {
                return None;
            }
        }
    }

    /// As [`Scope::find`], in one list.
    pub fn find_in(
        &self,
        list: &[ModuleId],
        wanted: &Wanted<'_>,
        skip: Option<ModuleId>,
        log: Log<'_>,
    ) -> Option<Definition<'a>> {
        Definition::of(self.search(list, wanted, skip, false, log)?)
    }

    /// Searches a list; weak definitions are passed over if only `strong` ones count.
    #[inline(never)]
    fn search(
        &self,
        list: &[ModuleId],
        wanted: &Wanted<'_>,
        skip: Option<ModuleId>,
        strong: bool,
        log: Log<'_>,
    ) -> Option<Found<'a>> {
        let mut list = list;
        // Who reads of each search wants to see all of them.
        if !self.covered.is_empty()
            && list.as_ptr() == self.covered.as_ptr()
            && !log.interest.contains(Interest::SYMBOLS)
        {
            let (mut link, mut last) = (0, None);
            while let Some(module) = self.roster.world.next_by(wanted.hash, true, &mut link) {
                // One search finds all that a module has by a hash.
                if last.replace(module.id) == Some(module.id) {
                    continue;
                }
                let found = self.search(&[module.id], wanted, skip, strong, log);
                if found.is_some() {
                    return found;
                }
            }
            list = list.get(self.covered.len()..).unwrap_or_default();
        }
        for id in list {
            if Some(*id) == skip {
                continue;
            }
            let Some(module) = self.roster.get(*id).filter(|module| module.is_in(self.namespace)) else {
                continue;
            };
            log.emit(Interest::SYMBOLS, || Event::LookedUp {
                symbol: wanted.name,
                module: &module.name,
            });
            if let Some(index) = module.symbols.find_index(wanted)
                && !(strong && module.symbols.binding(index) == symbol::STB_WEAK)
            {
                return Some(self.chosen((module, index), wanted, log));
            }
        }
        None
    }

    /// The definition that a reference gets, when this is the first in its scope.
    #[inline(always)]
    fn chosen(&self, (module, index): Found<'a>, wanted: &Wanted<'_>, log: Log<'_>) -> Found<'a> {
        if log.interest.contains(Interest::UNUSED) {
            module.is_used.store(true, Ordering::Relaxed);
        }
        if module.symbols.binding(index) == symbol::STB_GNU_UNIQUE
            && let Some(first) = self.first_of_its_name(wanted.name)
        {
            return first;
        }
        (module, index)
    }

    /// Gives the modules that are asked, in order, each once.
    #[inline(always)]
    fn each_module(&self, take: &mut impl FnMut(&'a Module)) {
        let [first, second] = self.lists;
        // The modules of a start have one list twice.
        let second = if first == second { &[] } else { second };
        for (list, above) in [(first, &[][..]), (second, first)] {
            for id in list.iter().filter(|id| !above.contains(id)) {
                if let Some(module) = self.roster.get(*id).filter(|module| module.is_in(self.namespace)) {
                    take(module);
                }
            }
        }
    }

    /// The definition that a STB_GNU_UNIQUE name has already.
    #[inline(never)]
    pub fn first_of_its_name(&self, name: &[u8]) -> Option<Found<'a>> {
        let mut known = self.unique.iter().filter(|(known, _, _)| known.bytes() == name);
        known.find_map(|(_, id, index)| {
            let module = self.roster.get(*id).filter(|module| module.is_in(self.namespace))?;
            Some((module, *index))
        })
    }

    /// The definition for a reference that module `from` makes.
    ///
    /// `Ok(None)`: nothing defines it. Local symbols, and those of hidden visibility, are their own definition. A protected symbol is
    /// its own definition too, unless an address is wanted and the program holds the canonical one: function pointers have to compare
    /// equal everywhere (psABI, "Function Addresses").
    pub fn resolve(&self, from: &'a Module, reference: &Reference<'_>, log: Log<'_>) -> Option<Found<'a>> {
        let found = self.choose(from, reference, log)?;
        log.emit(Interest::BINDINGS, || Event::Bound {
            from: &from.name,
            to: &found.0.name,
            symbol: from.symbols.name(&reference.symbol),
            version: reference.version.map(|version| version.name),
            index: found.1,
        });
        Some(found)
    }

    fn choose(&self, from: &'a Module, reference: &Reference<'_>, log: Log<'_>) -> Option<Found<'a>> {
        let Reference {
            index,
            symbol,
            name,
            version,
            purpose,
        } = *reference;
        let own = (from, index);
        let is_symbolic = from.dynamic.is_symbolic();
        if symbol.binding() == symbol::STB_LOCAL
            || (symbol.is_defined() && matches!(symbol.visibility(), symbol::STV_HIDDEN | symbol::STV_INTERNAL))
            || ((is_symbolic || self.is_first_to_have(from, index, &symbol))
                && from.symbols.is_own(index, &symbol, version, purpose))
        {
            return Some(own);
        }
        let (name, hash) = name.unwrap_or_else(|| from.symbols.hashed_name(&symbol));
        let mut wanted = Wanted::hashed(name, hash, version, purpose);
        // musl sees no hidden definition.
        wanted.newest = version.is_none() && FOR_MUSL.load(Ordering::Relaxed);
        if is_symbolic && let Some(index) = from.symbols.find_index(&wanted) {
            return Some((from, index));
        }
        let found = match self.locate(&wanted, None, log) {
            None if FOR_MUSL.load(Ordering::Relaxed) => self.find_as_musl(name, purpose, log)?,
            found => found?,
        };
        if symbol.is_defined() && symbol.visibility() == symbol::STV_PROTECTED && found.0.id != from.id {
            let callable = Wanted {
                purpose: Use::Call,
                ..wanted
            };
            let canonical = purpose == Use::Address
                && self
                    .locate(&callable, None, log)
                    .is_none_or(|(module, _)| module.id == from.id);
            return Some(if canonical { found } else { own });
        }
        Some(found)
    }
}

impl Scope<'_, '_> {
    /// Whether it is known without a look at any name that no module before `from` has what its own symbol asks for: most references of a library are to itself.
    #[inline]
    fn is_first_to_have(&self, from: &Module, index: SymbolIndex, symbol: &Symbol) -> bool {
        symbol.is_defined()
            && symbol.binding() != symbol::STB_GNU_UNIQUE
            && from.symbols.is_in_order()
            && !FOR_MUSL.load(Ordering::Relaxed)
            && self
                .index
                .is_some_and(|index_of_scope| index_of_scope.is_denied_before(from, from.symbols.hash_at(index)))
    }
}

/// Notes that `from` is bound to `target` from now on, unless it keeps it anyway because it needs it, directly or not: `kept`, which is found out when it is
/// first asked for.
pub fn note_binding(roster: Roster<'_>, from: &Module, target: &Module, kept: &mut Option<Vec<ModuleId>>) {
    if target.role != Role::Opened || target.is_pinned() || from.needed.contains(&target.id) {
        return;
    }
    let all = || breadth_first(roster, &[from.id]);
    if !kept.get_or_insert_with(all).contains(&target.id) {
        from.bind_to(target);
    }
}

/// The modules that `root` and what it needs make, breadth-first, each filter behind its filtees: the search list of a handle.
pub fn breadth_first(roster: Roster<'_>, roots: &[ModuleId]) -> Vec<ModuleId> {
    let mut list: Vec<ModuleId> = Vec::with_capacity(roots.len() + 8);
    let append = |list: &mut Vec<ModuleId>, id: &ModuleId| {
        let filtees = roster.get(*id).map_or(&[][..], Module::filtees);
        for id in filtees.iter().chain([id]) {
            if !list.contains(id) {
                list.push(*id);
            }
        }
    };
    for root in roots {
        append(&mut list, root);
    }
    let mut next = 0;
    while let Some(id) = list.get(next).copied() {
        next += 1;
        let Some(module) = roster.get(id) else { continue };
        for needed in &module.needed {
            append(&mut list, needed);
        }
    }
    list
}
