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

use super::{INDEX, RESOLVER, Scope, WALK};
use crate::elf::SymbolIndex;
use crate::elf::symbol::Symbol;
use crate::symbols::{Candidates, Symbols, Wanted};
use crate::world::Module;

/// How many references are fetched for together: about as many loads as a processor keeps in flight.
pub const GROUP: usize = 16;

/// Fewer references than this are not worth a table of their own, however many modules there are.
const FEW: u64 = 1000;

/// How many modules' filters the walk can ask while the index takes one definition in.
const FILTERS_PER_DEFINITION: u64 = 4;

/// The definitions of the modules of a scope by hash.
#[derive(Debug)]
pub struct Index<'a> {
    /// In the order of the walk, each once.
    members: Vec<Member<'a>>,
    /// By the lower bits of a hash: the entry behind the last one that has them. Its first one stands behind the last one of the slot before.
    ends: Vec<u32>,
    /// All definitions, those of a slot together and in the order of the walk.
    entries: Vec<Entry>,
}

/// A module of a scope.
#[derive(Debug)]
struct Member<'a> {
    module: &'a Module,
    /// What its hash table can find.
    symbols: Range<u32>,
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
    /// The index of a scope in which `references` will be looked up. `None` when the walk is as fast, or when there is no memory for it.
    #[inline(never)]
    pub fn new(scope: &Scope<'a, '_>, references: u64) -> Option<Index<'a>> {
        let resolver = RESOLVER.load(Ordering::Relaxed);
        if resolver == WALK || (references < FEW && resolver != INDEX) {
            return None;
        }
        let mut members = Vec::new();
        let mut likely: u64 = 0;
        scope.each_module(&mut |module| {
            likely = likely.saturating_add(module.symbols.likely_count());
            members.push(Member { module, symbols: 0..0 });
        });
        u16::try_from(members.len()).ok()?;
        let filters = references.saturating_mul(members.len() as u64);
        if filters < likely.saturating_mul(FILTERS_PER_DEFINITION) && resolver != INDEX {
            return None;
        }
        let mut count: u32 = 0;
        for member in &mut members {
            member.symbols = member.module.symbols.findable()?;
            count = count.checked_add(member.symbols.end - member.symbols.start)?;
        }
        let entries = zeroed(count as usize)?;
        let mut index = Index {
            members,
            ends: zeroed(count.checked_next_power_of_two()? as usize)?,
            entries: Vec::new(),
        };
        // As long as there is no place for any, each definition is only counted.
        index.take_in();
        // From the counts to where each slot begins; taking in moves that to its end.
        let mut begin: u32 = 0;
        for end in &mut index.ends {
            begin = begin.wrapping_add(core::mem::replace(end, begin));
        }
        index.entries = entries;
        index.take_in();
        Some(index)
    }

    /// Puts each definition at the end of its slot, and moves that.
    #[inline(never)]
    fn take_in(&mut self) {
        for (number, member) in self.members.iter().enumerate() {
            for symbol in member.symbols.clone().map(SymbolIndex) {
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
    #[inline(always)]
    pub fn find(&self, wanted: &Wanted<'_>) -> Option<(&'a Module, SymbolIndex, Symbol)> {
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

    /// Has the processor fetch what look-ups will read. At most [`GROUP`] of them count.
    #[inline(never)]
    pub fn fetch(&self, ahead: &[Ahead]) {
        // Each loop does one step for all names: no load of a loop waits for another one of it.
        let mut slots = [Slot::default(); GROUP];
        for (slot, ahead) in slots.iter_mut().zip(ahead) {
            *slot = self.slot(ahead.hash);
        }
        let mut definitions: [Option<(&Symbols, SymbolIndex)>; GROUP] = [None; GROUP];
        for ((definition, slot), ahead) in definitions.iter_mut().zip(&mut slots).zip(ahead) {
            let next = self.next(slot, ahead.hash);
            *definition = next.map(|(module, symbol)| (&module.symbols, symbol));
        }
        let mut read = 0;
        for (symbols, symbol) in definitions.iter().flatten() {
            read ^= symbols.read_tables(*symbol);
        }
        for (definition, ahead) in definitions.iter().zip(ahead) {
            if let Some((symbols, symbol)) = definition {
                read ^= symbols.read_name(*symbol, ahead.name.len());
            }
        }
        core::hint::black_box(read);
    }
}

/// A symbol that is looked up next.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// Where it stands in the module that makes the reference.
    pub index: SymbolIndex,
    /// Its name.
    pub name: &'static [u8],
    /// The name's hash.
    pub hash: u32,
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
