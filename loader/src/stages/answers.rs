//! What the references of one table lead to: each symbol is looked up once, and many at a time.
//!
//! The next symbols of a table are looked up together, so that what their look-ups read is fetched together ([`Index::fetch`]). Addresses stand here by the
//! number of the symbol when the entries are applied; of what is wanted for more than its address, the definition stands here until the next ones are read.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use crate::elf::{Address, SymbolIndex};
use crate::scope::Definition;
use crate::scope::index::{Ahead, GROUP};
use crate::symbols::{Symbols, Use};

/// Not known. No definition has the last address.
const UNKNOWN: Address = Address(u64::MAX);

/// The references of one table.
#[derive(Debug, Default)]
pub struct Answers<'a> {
    /// By symbol number.
    known: Vec<Address>,
    /// The references that are looked up together.
    pub ahead: Vec<Ahead<'a>>,
    /// Those before this one have been applied.
    next: usize,
}

impl<'a> Answers<'a> {
    /// Forgets what was known: another table has other symbols, or asks for something else.
    pub fn clear(&mut self) {
        self.known.clear();
        self.ahead.clear();
    }

    /// The address that a symbol stands for, if it is known.
    #[inline(always)]
    pub fn get(&self, index: SymbolIndex) -> Option<Address> {
        let address = *self.known.get(index.0 as usize)?;
        (address != UNKNOWN).then_some(address)
    }

    /// Notes an address.
    #[inline(always)]
    pub fn set(&mut self, index: SymbolIndex, address: Address) {
        let place = index.0 as usize;
        if self.known.len() <= place {
            self.make_room(place);
        }
        if let Some(known) = self.known.get_mut(place) {
            *known = address;
        }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, place: usize) {
        let length = place.saturating_add(4 * GROUP);
        if self.known.try_reserve(length - self.known.len()).is_ok() {
            self.known.resize(length, UNKNOWN);
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
