//! What the references of one table lead to: each symbol is looked up once, and many at a time.
//!
//! Only where a scope has an [`Index`], that is where references are many. The names of the next entries are hashed together, so that what their
//! look-ups read is fetched together ([`Index::fetch`]), and the addresses stand here by the number of the symbol when the entries are applied.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use crate::elf::{Address, SymbolIndex};
use crate::scope::index::GROUP;
use crate::scope::{Index, Reference};
use crate::symbols::{Symbols, Use};

/// The references of one table.
#[derive(Debug, Default)]
pub struct Answers {
    /// By symbol number: the address of its definition, 0 as long as it is not known.
    known: Vec<Address>,
    /// The references that are looked up next.
    pub ahead: Vec<Reference>,
}

impl Answers {
    /// Forgets what was known: another table has other symbols, or asks for something else.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// The address that a symbol stands for, if it is known.
    #[inline(always)]
    pub fn get(&self, index: SymbolIndex) -> Option<Address> {
        let address = *self.known.get(index.0 as usize)?;
        (address.0 != 0).then_some(address)
    }

    /// Notes an address. Without memory it will be looked up again.
    pub fn set(&mut self, index: SymbolIndex, address: Address) {
        let place = index.0 as usize;
        if self.known.len() <= place {
            let length = (place + 1).next_power_of_two();
            if self.known.try_reserve_exact(length - self.known.len()).is_err() {
                return;
            }
            self.known.resize(length, Address(0));
        }
        if let Some(known) = self.known.get_mut(place) {
            *known = address;
        }
    }

    /// Makes ready the look-ups for the symbols that the next entries name, as far as they are not known. Returns how many entries those are.
    #[inline(never)]
    pub fn look_ahead(
        &mut self,
        symbols: &Symbols,
        purpose: Use,
        entries: impl Iterator<Item = Option<SymbolIndex>>,
        scope: &Index<'_>,
    ) -> usize {
        let mut new = [SymbolIndex(0); GROUP];
        let (mut count, mut seen, mut read) = (0usize, 0, 0);
        for symbol in entries {
            // Entries with one symbol stand together.
            if let Some(index) = symbol
                && index.0 != 0
                && new.get(count.saturating_sub(1)) != Some(&index)
                && self.get(index).is_none()
            {
                let Some(place) = new.get_mut(count) else { break };
                *place = index;
                count += 1;
                read ^= symbols.read_name(index, 0);
            }
            seen += 1;
        }
        core::hint::black_box(read);
        let asked = new.iter().take(count).filter_map(|index| {
            let symbol = symbols.get(*index)?;
            Reference::new(symbols, *index, symbol, purpose).ok()
        });
        self.ahead.clear();
        self.ahead.extend(asked);
        scope.fetch(&self.ahead);
        seen
    }
}
