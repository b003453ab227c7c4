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

/// How many addresses are kept at least, and at most. Linkers sort a table by its symbols, so that those of the next entries are what counts.
const FEWEST: usize = 4 * GROUP;
const MOST: usize = 1024;

/// The references of one table.
#[derive(Debug, Default)]
pub struct Answers<'a> {
    /// Each symbol has one place, by the lower bits of its number, and shares it with others.
    known: Vec<(Option<SymbolIndex>, Address)>,
    /// The references that are looked up together.
    pub ahead: Vec<Ahead<'a>>,
    /// Those before this one have been applied.
    next: usize,
}

impl<'a> Answers<'a> {
    /// Forgets what was known: another table, with so many entries, has other symbols, or asks for something else.
    pub fn begin(&mut self, entries: usize) {
        self.known.clear();
        self.ahead.clear();
        let places = entries.clamp(FEWEST, MOST).next_power_of_two();
        if entries != 0 && self.known.try_reserve_exact(places).is_ok() {
            self.known.resize(places, (None, Address(0)));
        }
    }

    /// The place of a symbol. None is in a table without places.
    #[inline(always)]
    fn place(&self, index: SymbolIndex) -> usize {
        index.0 as usize & self.known.len().wrapping_sub(1)
    }

    /// The address that a symbol stands for, if it is known.
    #[inline(always)]
    pub fn get(&self, index: SymbolIndex) -> Option<Address> {
        let (known, address) = *self.known.get(self.place(index))?;
        (known == Some(index)).then_some(address)
    }

    /// Notes an address.
    #[inline(always)]
    pub fn set(&mut self, index: SymbolIndex, address: Address) {
        let place = self.place(index);
        if let Some(known) = self.known.get_mut(place) {
            *known = (Some(index), address);
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
