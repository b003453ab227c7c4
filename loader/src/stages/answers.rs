//! What the references of one table lead to: each symbol is looked up once, and many at a time.
//!
//! Only where a scope has an [`Index`], that is where references are many. The names of the next entries are hashed together, so that what their
//! look-ups read is fetched together ([`Index::fetch`]), and the addresses stand here by the number of the symbol when the entries are applied.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use crate::elf::reloc::Rela;
use crate::elf::{Address, SymbolIndex};
use crate::scope::Index;
use crate::scope::index::{Ahead, GROUP};
use crate::symbols::Symbols;

/// The references of one table.
#[derive(Debug, Default)]
pub struct Answers {
    /// By symbol number: the address of its definition, 0 as long as it is not known.
    known: Vec<Address>,
    /// The references that are looked up next.
    pub ahead: Vec<Ahead>,
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

    /// Makes ready the look-ups for the symbols of the next entries of a table, as far as they are not known and the entry `is_plain`, of its number.
    /// Returns how many entries those are.
    #[inline(always)]
    pub fn look_ahead(
        &mut self,
        symbols: &Symbols,
        entries: impl Iterator<Item = Rela>,
        mut is_plain: impl FnMut(u32) -> bool,
        scope: &Index<'_>,
    ) -> usize {
        self.ahead.clear();
        let (mut seen, mut read) = (0, 0);
        for entry in entries {
            let index = entry.symbol();
            // Entries with one symbol stand together.
            let is_other = index.0 != 0 && self.ahead.last().is_none_or(|last| last.index != index);
            if is_other && self.get(index).is_none() && is_plain(entry.kind()) {
                if self.ahead.len() == GROUP {
                    break;
                }
                read ^= symbols.read_name(index, 0);
                self.ahead.push(Ahead {
                    index,
                    name: b"",
                    hash: 0,
                });
            }
            seen += 1;
        }
        core::hint::black_box(read);
        for ahead in &mut self.ahead {
            if let Some(symbol) = symbols.get(ahead.index) {
                (ahead.name, ahead.hash) = symbols.hashed_name(&symbol);
            }
        }
        scope.fetch(&self.ahead);
        seen
    }
}
