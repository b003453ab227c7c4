//! What the references of one table lead to: each symbol is looked up once, or hardly ever again, and many at a time.
//!
//! The next symbols of a table are looked up together, so that what their look-ups read is fetched together: first the entries, then the symbols, then the names
//! ([`Index::fetch`]). Their addresses stand here when the entries are applied, in a table that stays in the processor's cache; of what is wanted for more than its
//! address, the definition stands here until the next ones are read.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use crate::elf::{Address, SymbolIndex};
use crate::scope::Definition;
use crate::scope::index::{Ahead, GROUP};
use crate::symbols::{Symbols, Use};

/// How many addresses are kept at least, and at most: symbols whose numbers agree modulo that are looked up again and again where a table is not sorted by them, as
/// linkers sort it.
const FEWEST: usize = 4 * GROUP;
const MOST: usize = 1 << 13;

/// The references of one table.
#[derive(Debug, Default)]
pub struct Answers<'a> {
    /// By the lower bits of the number of a symbol: which table's symbol it is, and its address.
    known: Vec<(Asked, Address)>,
    /// How many there are to be when the first address is known.
    places: usize,
    /// The number of the table, from 1. What stands here from others need not be taken away.
    table: u32,
    /// The references that are looked up together.
    pub ahead: Vec<Ahead<'a>>,
    /// Those before this one have been applied.
    next: usize,
}

/// A symbol of a table: the number of the table in the upper half, that of the symbol in the lower one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked(u64);

impl<'a> Answers<'a> {
    /// Forgets what was known: another table, with so many entries, has other symbols, or asks for something else.
    pub fn begin(&mut self, entries: usize) {
        self.table = self.table.wrapping_add(1);
        self.ahead.clear();
        self.places = entries.clamp(FEWEST, MOST).next_power_of_two();
    }

    /// Without memory there are as many places as before.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        self.known.clear();
        if self.known.try_reserve_exact(self.places).is_ok() {
            self.known.resize(self.places, Default::default());
        }
        self.places = 0;
    }

    #[inline(always)]
    fn asked(&self, index: SymbolIndex) -> Asked {
        Asked(u64::from(self.table) << 32 | u64::from(index.0))
    }

    /// The place of a symbol. There are as many as a power of two, or none.
    #[inline(always)]
    fn place(&self, index: SymbolIndex) -> usize {
        index.0 as usize & self.known.len().wrapping_sub(1)
    }

    /// The address that a symbol stands for, if it is known.
    #[inline(always)]
    pub fn get(&self, index: SymbolIndex) -> Option<Address> {
        let (known, address) = *self.known.get(self.place(index))?;
        (known == self.asked(index)).then_some(address)
    }

    /// Notes an address.
    #[inline(always)]
    pub fn set(&mut self, index: SymbolIndex, address: Address) {
        if self.known.len() < self.places {
            self.make_room();
        }
        let asked = self.asked(index);
        let place = self.place(index);
        if let Some(known) = self.known.get_mut(place) {
            *known = (asked, address);
        }
    }

    /// The definition that was found for a symbol that is wanted for more than its address.
    #[inline(always)]
    pub fn definition(&mut self, index: SymbolIndex, purpose: Use) -> Option<Definition<'a>> {
        while self.ahead.get(self.next)?.asked.index != index {
            self.next += 1;
        }
        let ahead = self.ahead.get(self.next)?;
        Definition::of(ahead.found.filter(|_| ahead.asked.purpose == purpose)?)
    }

    /// Reads which symbols the next `entries` of a table ask for: each has its number, and what its definition is for if it needs one. Returns how many
    /// entries those are.
    #[inline(always)]
    pub fn look_ahead(
        &mut self,
        symbols: &Symbols,
        entries: impl Iterator<Item = (SymbolIndex, Option<Use>)>,
    ) -> usize {
        self.ahead.clear();
        self.next = 0;
        let mut seen = 0;
        let mut last = SymbolIndex(0);
        for (index, purpose) in entries {
            // Entries with one symbol stand together.
            if index != last
                && self.get(index).is_none()
                && index.0 != 0
                && let Some(purpose) = purpose
            {
                if self.ahead.len() == GROUP {
                    break;
                }
                last = index;
                symbols.fetch(index);
                self.ahead.push(Ahead::new(index, purpose));
            }
            seen += 1;
        }
        for Ahead { asked, .. } in &mut self.ahead {
            // One that is not there has no definition either.
            asked.symbol = symbols.get(asked.index).unwrap_or_default();
            // Where waiting for names matters, most are longer than a line of the cache.
            symbols.fetch_name(&asked.symbol, 64);
        }
        seen
    }
}
