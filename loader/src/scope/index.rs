//! One table over all definitions of a scope, by the hash of their names: which module to ask next.
//!
//! The walk of [`super::Scope`] asks module after module, and each costs a look into its Bloom filter, most often one that the processor
//! has to wait for. With hundreds of modules and many thousand references that is nearly all of a start. The index is made once from the hash
//! values that the modules' own tables hold. It names, in the order of the walk, the symbols that have the wanted hash, and each is judged as by the
//! walk ([`Symbols::matches`]): modules that have nothing are left out, and nothing else changes. Only a file that denies what it has, in its filter or
//! by a chain that no bucket leads to, is believed by the walk and not here.
//!
//! What is left are waits for memory: for the index, a symbol, its name. One look-up can only wait for one after the other; [`Index::fetch`] lets
//! those of many next ones begin together.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use super::{Definition, INDEX, RESOLVER, Scope, WALK};
use crate::elf::SymbolIndex;
use crate::elf::symbol::{STB_GNU_UNIQUE, Symbol};
use crate::symbols::{Candidates, Filter, Symbols, Use, Wanted};
use crate::world::Module;

/// How many references are fetched for together: about as many loads as a processor keeps in flight.
pub const GROUP: usize = 16;

/// Fewer references than this are not worth a table of their own, however many modules there are.
const FEW: u64 = 1000;

/// How many modules' filters the walk can ask while the index takes one definition in.
const FILTERS_PER_DEFINITION: u64 = 4;

/// The modules of a scope, and where it pays their definitions by hash.
#[derive(Debug)]
pub struct Index<'a> {
    /// In the order of the walk, each once.
    members: Vec<Member<'a>>,
    /// Empty where modules are asked one after the other. By the lower bits of a hash: the entry behind the last one that has them. Its first one stands behind the last one of the slot before.
    ends: Vec<u32>,
    /// All definitions, those of a slot together and in the order of the walk.
    entries: Vec<Entry>,
}

/// A module of a scope.
#[derive(Debug)]
struct Member<'a> {
    module: &'a Module,
    /// Its module's, so that all of them stand in a row.
    filter: Option<Filter>,
}

/// A definition.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    symbol: SymbolIndex,
    /// The upper bits of the hash.
    tag: u16,
    /// Whose it is.
    member: u16,
}

/// The upper bits of a hash.
fn tag(hash: u32) -> u16 {
    (hash >> 16) as u16
}

impl<'a> Index<'a> {
    /// The index of a scope in which so many `references` will be looked up. `None` when each module is to be asked itself.
    #[inline(never)]
    pub fn new(scope: &Scope<'a, '_>, references: u64) -> Option<Index<'a>> {
        let resolver = RESOLVER.load(Ordering::Relaxed);
        if resolver == WALK || references == 0 {
            return None;
        }
        let mut members = Vec::new();
        let mut likely: u64 = 0;
        scope.each_module(&mut |module| {
            likely = likely.saturating_add(module.symbols.likely_count());
            let filter = module.symbols.filter();
            members.push(Member { module, filter });
        });
        let filters = references.saturating_mul(members.len() as u64);
        let pays = references >= FEW && filters >= likely.saturating_mul(FILTERS_PER_DEFINITION);
        let mut index = Index {
            members,
            ends: Vec::new(),
            entries: Vec::new(),
        };
        if (pays || resolver == INDEX) && index.take_all_in().is_none() {
            index.ends = Vec::new();
        }
        Some(index)
    }

    /// Makes the table. `None` when there is no memory for it, or when the members are too many.
    fn take_all_in(&mut self) -> Option<()> {
        u16::try_from(self.members.len()).ok()?;
        let mut findable = Vec::with_capacity(self.members.len());
        let mut count: u32 = 0;
        for member in &self.members {
            let symbols = member.module.symbols.findable()?;
            count = count.checked_add(symbols.end - symbols.start)?;
            findable.push(symbols);
        }
        let entries = zeroed(count as usize)?;
        self.ends = zeroed(count.checked_next_power_of_two()? as usize)?;
        // As long as there is no place for any, each definition is only counted.
        self.take_in(&findable);
        // From the counts to where each slot begins; taking in moves that to its end.
        let mut begin: u32 = 0;
        for end in &mut self.ends {
            begin = begin.wrapping_add(core::mem::replace(end, begin));
        }
        self.entries = entries;
        self.take_in(&findable);
        Some(())
    }

    /// Puts each definition at the end of its slot, and moves that.
    #[inline(never)]
    fn take_in(&mut self, findable: &[Range<u32>]) {
        for (number, (member, symbols)) in self.members.iter().zip(findable).enumerate() {
            for symbol in symbols.clone().map(SymbolIndex) {
                let hash = member.module.symbols.hash_at(symbol);
                let slot = slot_of(hash, self.ends.len());
                let Some(end) = self.ends.get_mut(slot) else { continue };
                if let Some(place) = self.entries.get_mut(*end as usize) {
                    *place = Entry {
                        symbol,
                        tag: tag(hash),
                        member: number as u16,
                    };
                }
                *end = end.wrapping_add(1);
            }
        }
    }

    /// The entries of the slot of a hash.
    #[inline(always)]
    fn slot(&self, hash: u32) -> Slot {
        let number = slot_of(hash, self.ends.len());
        let end_of = |number: usize| self.ends.get(number).copied().unwrap_or(0);
        Slot {
            next: number.checked_sub(1).map_or(0, end_of),
            end: end_of(number),
        }
    }

    /// The next entry of a slot that may be of the hash.
    #[inline(always)]
    fn next(&self, slot: &mut Slot, hash: u32) -> Option<(&'a Module, SymbolIndex)> {
        while slot.next < slot.end {
            let entry = self.entries.get(slot.next as usize)?;
            slot.next += 1;
            if entry.tag == tag(hash) {
                return Some((self.members.get(usize::from(entry.member))?.module, entry.symbol));
            }
        }
        None
    }

    /// The first definition of `wanted` in the order of the walk.
    pub fn find(&self, wanted: &Wanted<'_>) -> Option<Definition<'a>> {
        let (module, index, symbol) = match self.ends.is_empty() {
            true => self.find_by_filters(wanted),
            false => self.find_by_hash(wanted),
        }?;
        Some(Definition { module, index, symbol })
    }

    #[inline(always)]
    fn find_by_filters(&self, wanted: &Wanted<'_>) -> Option<(&'a Module, SymbolIndex, Symbol)> {
        let mut members = self.members.iter();
        members.find_map(|Member { module, filter }| {
            if filter.is_some_and(|filter| !filter.admits(wanted.hash)) {
                return None;
            }
            let (index, symbol) = module.symbols.find(wanted)?;
            Some((*module, index, symbol))
        })
    }

    #[inline(always)]
    fn find_by_hash(&self, wanted: &Wanted<'_>) -> Option<(&'a Module, SymbolIndex, Symbol)> {
        let mut slot = self.slot(wanted.hash);
        let mut current: Option<(&'a Module, Candidates)> = None;
        while let Some((module, index)) = self.next(&mut slot, wanted.hash) {
            let candidates = match &mut current {
                Some((same, candidates)) if same.id == module.id => candidates,
                _ => {
                    if let Some(found) = current.take().and_then(only) {
                        return Some(found);
                    }
                    &mut current.insert((module, Candidates::default())).1
                }
            };
            // The chains of DT_HASH have an order of their own.
            let found = match module.symbols.is_in_order() {
                true => module.symbols.matches(index, wanted, candidates),
                false => module.symbols.find(wanted),
            };
            if let Some((index, symbol)) = found {
                return Some((module, index, symbol));
            }
        }
        current.and_then(only)
    }

    /// Has the processor fetch what look-ups of a module's references will read, and finds out which of those are to itself. At most [`GROUP`] of them count.
    #[inline(never)]
    pub fn fetch(&self, from: &'a Module, ahead: &mut [Ahead<'a>]) {
        if self.ends.is_empty() {
            return;
        }
        // Each loop does one step for all names: no load of a loop waits for another one of it.
        let mut slots = [(Slot::default(), 0); GROUP];
        for (slot, ahead) in slots.iter_mut().zip(&mut *ahead) {
            // The table of a module has the hashes of its definitions. Whether they are those of their names is seen when others are met first.
            let hash = match ahead.symbol.is_defined() && from.symbols.is_in_order() {
                true => from.symbols.hash_at(ahead.index),
                false => ahead.name.insert(from.symbols.hashed_name(&ahead.symbol)).1,
            };
            *slot = (self.slot(hash), hash);
        }
        let mut definitions: [Option<(&Symbols, SymbolIndex)>; GROUP] = [None; GROUP];
        for ((definition, (slot, hash)), ahead) in definitions.iter_mut().zip(&mut slots).zip(&mut *ahead) {
            let Some((module, symbol)) = self.next(slot, *hash) else {
                continue;
            };
            ahead.is_own = ahead.name.is_none()
                && symbol == ahead.index
                && module.id == from.id
                && ahead.purpose.takes(&ahead.symbol)
                && ahead.symbol.binding() != STB_GNU_UNIQUE;
            if !ahead.is_own {
                *definition = Some((&module.symbols, symbol));
            }
        }
        let mut read = 0;
        for (symbols, symbol) in definitions.iter().flatten() {
            read ^= symbols.read_tables(*symbol);
        }
        for (definition, ahead) in definitions.iter().zip(ahead) {
            if let Some((symbols, symbol)) = definition {
                read ^= symbols.read_name(*symbol, ahead.name.map_or(0, |(name, _)| name.len()));
            }
        }
        core::hint::black_box(read);
    }
}

/// A reference that is looked up next.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'a> {
    /// Where its symbol stands in the module that makes it.
    pub index: SymbolIndex,
    /// The same.
    pub symbol: Symbol,
    /// What the definition is for.
    pub purpose: Use,
    /// Its name with the hash, once they are read.
    pub name: Option<(&'static [u8], u32)>,
    /// No module has the name before this one, whose symbol is the definition.
    pub is_own: bool,
    /// The definition, where more than its address is wanted.
    pub found: Option<Definition<'a>>,
}

/// What a module has for a reference without a version, when all of its definitions were looked at.
fn only((module, candidates): (&Module, Candidates)) -> Option<(&Module, SymbolIndex, Symbol)> {
    let (index, symbol) = candidates.only()?;
    Some((module, index, symbol))
}

/// Some entries, by number.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    next: u32,
    end: u32,
}

/// The slot of a hash among so many: a power of two. The lowest bit of a hash does not stand in the modules' tables.
#[inline(always)]
fn slot_of(hash: u32, count: usize) -> usize {
    (hash >> 1) as usize & count.wrapping_sub(1)
}

/// So many of nothing, if there is memory.
fn zeroed<T: Copy + Default>(count: usize) -> Option<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).ok()?;
    vector.resize(count, T::default());
    Some(vector)
}
