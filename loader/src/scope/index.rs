//! The modules of a scope in a row; and where it pays, one table over all of their definitions by the hash of their names: which module to ask next.
//!
//! The walk of [`super::Scope`] asks module after module, and each costs a look into its Bloom filter, most often one that the processor
//! has to wait for. With hundreds of modules and many thousand references that is nearly all of a start. The table is made once from the hash
//! values that the modules' own tables hold. It names, in the order of the walk, the symbols that have the wanted hash, and each is judged as by the
//! walk ([`Symbols::matches`](crate::symbols::Symbols::matches)): modules that have nothing are left out, and nothing else changes. Only a file that denies what it has, in its filter, by a
//! chain that no bucket leads to or by a hash that is not that of the name, is believed by the walk and not here. Where the table would cost more than it saves, the modules' filters stand in a row at least.
//!
//! What is left are waits for memory: for the table, a symbol, its name. One look-up can only wait for one after the other; [`Index::fetch`] lets
//! those of many next ones begin together. Many references of a module are to a definition of its own, and no module has the name before it: the hash in the module's table
//! is enough to see that, and no name is read.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use super::{Found, INDEX, RESOLVER, Reference, Scope, WALK};
use crate::elf::SymbolIndex;
use crate::elf::symbol::{STB_GNU_UNIQUE, Symbol};
use crate::symbols::{Candidates, Filter, Use, Wanted};
use crate::world::Module;

/// How many references are fetched for together: about as many loads as a processor keeps in flight.
pub const GROUP: usize = 32;

/// Fewer references than this are not worth a table of their own, however many modules there are.
const FEW: u64 = 1000;

/// How many modules' filters the walk can ask while the index takes one definition in.
const FILTERS_PER_DEFINITION: u64 = 2;

/// The modules of a scope, and where it pays their definitions by hash.
#[derive(Debug)]
pub struct Index<'a> {
    /// In the order of the walk, each once.
    members: Vec<Member<'a>>,
    /// Empty where modules are asked one after the other. By the lower bits of a hash: the entry behind the last one that has them. Its first one stands behind the last one of the slot before.
    ends: Vec<u32>,
    /// All definitions, those of a slot together and in the order of the walk: of each the number of its symbol, then what [`owned`] says.
    entries: Vec<u32>,
}

/// A module of a scope.
#[derive(Debug)]
struct Member<'a> {
    module: &'a Module,
    /// Its module's, so that all of them stand in a row.
    filter: Option<Filter>,
    /// What its hash table can find.
    symbols: Range<u32>,
}

/// What stands in an entry besides the number of a symbol: the upper half of the hash, and the number of the member.
fn owned(hash: u32, member: usize) -> u32 {
    (hash & 0xffff_0000) | (member as u32 & 0xffff)
}

impl<'a> Index<'a> {
    /// The index of a scope in which so many `references` will be looked up. `None` when there are none, when the walk is asked for, or when it is as good: for a few
    /// references, and modules that are found by what they define ([`Scope::covered`]).
    #[inline(never)]
    pub fn new(scope: &Scope<'a, '_>, references: u64) -> Option<Index<'a>> {
        let resolver = RESOLVER.load(Ordering::Relaxed);
        let is_known = references < FEW && !scope.covered.is_empty() && resolver != INDEX;
        if resolver == WALK || references == 0 || is_known {
            return None;
        }
        let mut members = Vec::new();
        let mut likely: u64 = 0;
        scope.each_module(&mut |module| {
            likely = likely.saturating_add(module.symbols.likely_count());
            members.push(Member {
                module,
                filter: module.symbols.filter(),
                symbols: 0..0,
            });
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
        let mut count: u32 = 0;
        for member in &mut self.members {
            member.symbols = member.module.symbols.findable()?;
            count = count.checked_add(member.symbols.end - member.symbols.start)?;
        }
        let entries = zeroed((count as usize).saturating_mul(2))?;
        // One for each definition or two.
        self.ends = zeroed(count.checked_next_power_of_two()?.div_ceil(2) as usize)?;
        // As long as there is no place for any, each definition is only counted.
        self.take_in();
        // From the counts to where each slot begins; taking in moves that to its end.
        let mut begin: u32 = 0;
        for end in &mut self.ends {
            begin = begin.wrapping_add(core::mem::replace(end, begin));
        }
        self.entries = entries;
        self.take_in();
        Some(())
    }

    /// Puts each definition at the end of its slot, and moves that.
    #[inline(never)]
    fn take_in(&mut self) {
        for (number, member) in self.members.iter().enumerate() {
            for symbol in member.symbols.clone().map(SymbolIndex) {
                let hash = member.module.symbols.hash_at(symbol);
                let slot = slot_of(hash, self.ends.len());
                let Some(end) = self.ends.get_mut(slot) else { continue };
                if let Some(place) = self.entries.as_chunks_mut().0.get_mut(*end as usize) {
                    *place = [symbol.0, owned(hash, number)];
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
            let [symbol, owned] = *self.entries.as_chunks().0.get(slot.next as usize)?;
            slot.next += 1;
            if (owned ^ hash) >> 16 == 0 {
                let member = self.members.get((owned & 0xffff) as usize)?;
                return Some((member.module, SymbolIndex(symbol)));
            }
        }
        None
    }

    /// The first definition of `wanted` in the order of the walk.
    #[inline(always)]
    pub fn find(&self, wanted: &Wanted<'_>) -> Option<Found<'a>> {
        match self.ends.is_empty() {
            true => self.find_by_filters(wanted),
            false => self.find_by_hash(wanted),
        }
    }

    #[inline(always)]
    fn find_by_filters(&self, wanted: &Wanted<'_>) -> Option<Found<'a>> {
        for Member { module, filter, .. } in &self.members {
            if filter.is_none_or(|filter| filter.admits(wanted.hash))
                && let Some(index) = module.symbols.find_index(wanted)
            {
                return Some((module, index));
            }
        }
        None
    }

    /// Whether the filters of all modules before `from` deny a hash, whose lowest bit does not count. `false` too where there is a table, which knows without them.
    #[inline]
    pub fn is_denied_before(&self, from: &Module, hash: u32) -> bool {
        if !self.ends.is_empty() {
            return false;
        }
        let is_denied = |filter: Filter| !filter.admits(hash | 1) && !filter.admits(hash & !1);
        let is_asked = |member: &&Member<'_>| member.module.id == from.id || !member.filter.is_some_and(is_denied);
        let first = self.members.iter().find(is_asked);
        first.is_some_and(|member| member.module.id == from.id)
    }

    #[inline(always)]
    fn find_by_hash(&self, wanted: &Wanted<'_>) -> Option<Found<'a>> {
        let mut slot = self.slot(wanted.hash);
        let mut current: Option<(&'a Module, Candidates)> = None;
        while let Some((module, index)) = self.next(&mut slot, wanted.hash) {
            let candidates = match &mut current {
                Some((same, _)) if same.id == module.id && !module.symbols.is_in_order() => continue,
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
                true => module.symbols.matches(index, wanted, candidates).then_some(index),
                false => module.symbols.find_index(wanted),
            };
            if let Some(index) = found {
                return Some((module, index));
            }
        }
        current.and_then(only)
    }

    /// Has the processor fetch what look-ups of a module's references will read, and finds out which of those are to itself.
    #[inline(never)]
    pub fn fetch(&self, from: &'a Module, ahead: &mut [Ahead<'a>]) {
        if self.ends.is_empty() {
            return;
        }
        // Each loop does one step for all names: no load of a loop waits for another one of it.
        for ahead in &mut *ahead {
            let Reference { index, symbol, .. } = ahead.asked;
            // The table of a module has the hashes of its definitions.
            ahead.hash = match symbol.is_defined() && from.symbols.is_in_order() {
                true => from.symbols.hash_at(index),
                false => ahead.asked.name.insert(from.symbols.hashed_name(&symbol)).1,
            };
            crt::prefetch(
                self.ends
                    .as_ptr()
                    .wrapping_add(slot_of(ahead.hash, self.ends.len()))
                    .cast(),
            );
        }
        for ahead in &mut *ahead {
            ahead.slot = self.slot(ahead.hash);
            crt::prefetch(self.entries.as_ptr().wrapping_add(ahead.slot.next as usize * 2).cast());
        }
        for ahead in &mut *ahead {
            ahead.first = self.next(&mut ahead.slot, ahead.hash);
            if let Some((module, first)) = ahead.first {
                module.symbols.fetch_tables(first);
            }
        }
        for ahead in ahead {
            let Some((module, first)) = ahead.first else { continue };
            let Reference {
                index,
                symbol,
                name,
                purpose,
                ..
            } = ahead.asked;
            let is_own = name.is_none()
                && first == index
                && module.id == from.id
                && purpose.takes(&symbol)
                && symbol.binding() != STB_GNU_UNIQUE;
            if is_own {
                ahead.found = ahead.first;
            } else if let Some((name, _)) = name
                && let Some(symbol) = module.symbols.get(first)
            {
                module.symbols.fetch_name(&symbol, name.len());
            }
        }
    }
}

/// A reference that is looked up next.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'a> {
    /// What is asked for.
    pub asked: Reference<'a>,
    /// The definition, when it has been found.
    pub found: Option<Found<'a>>,
    hash: u32,
    slot: Slot,
    /// The first symbol of the hash.
    first: Option<Found<'a>>,
}

impl Ahead<'_> {
    /// One that is wanted for a purpose.
    #[inline(always)]
    pub fn new(index: SymbolIndex, purpose: Use) -> Self {
        Ahead {
            asked: Reference {
                index,
                symbol: Symbol::default(),
                name: None,
                version: None,
                purpose,
            },
            found: None,
            hash: 0,
            slot: Slot::default(),
            first: None,
        }
    }
}

/// What a module has for a reference without a version, when all of its definitions were looked at.
fn only<'a>((module, candidates): (&'a Module, Candidates)) -> Option<Found<'a>> {
    Some((module, candidates.only()?))
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
fn zeroed(count: usize) -> Option<Vec<u32>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).ok()?;
    vector.resize(count, 0);
    Some(vector)
}
