//! What modules are found by, without a look at each of them: hashes of their names, files and link_maps, and of what those of the global scope define.
//!
//! Worlds that follow each other share one. It says who may be meant, the first who came first, and whoever asks looks at that module in its own world; so it
//! does no harm that it is ahead of a world or behind it. Readers take no lock: an entry is complete when it is linked, is never moved, and leads on when it is
//! taken out. Only the holder of the long lock changes anything, one word after the other, so that the child of a `fork` finds chains that end.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Module, ModuleId};
use crate::elf::SymbolIndex;
use crate::elf::hash::gnu_hash;
use crate::image::Memory;

/// The modules by hash: chains of entries in pairs of words.
///
/// The first pairs are the chains', by the bits of a hash: the number of the first entry and of the last one, 0 for none. Then come the entries: a hash with the
/// number of a module below it, and the number of the entry behind it.
#[derive(Debug)]
pub struct Catalogue {
    memory: Memory,
    /// How many chains there are: a power of two.
    chains: usize,
    /// The next entry that has not been used.
    next: AtomicU64,
}

/// How many hashes a module has besides those of its definitions.
pub const NAMES: u32 = 4;

/// How far a chain is followed to take a module out of it.
const MOST_STEPS: usize = 256;

/// What a number is found by.
pub fn hash_of_number(number: u64) -> u32 {
    // The golden ratio: its multiples are spread evenly (Knuth, "Multiplicative hashing").
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl Catalogue {
    /// One that takes so many entries. `None` without memory.
    pub fn with_room_for(count: u32) -> Option<Catalogue> {
        let chains = (count as usize / 2).next_power_of_two();
        Some(Catalogue {
            memory: Memory::zeroed((chains + count as usize) * 16)?,
            chains,
            next: AtomicU64::new(chains as u64),
        })
    }

    /// The first word of the chain that a hash is in.
    #[inline]
    fn chain(&self, hash: u32) -> usize {
        // The lowest bit of a hash does not stand in the modules' tables.
        2 * ((hash >> 1) as usize & (self.chains - 1))
    }

    #[inline(always)]
    fn load(&self, place: usize) -> u64 {
        let word = self.memory.words().get(place);
        word.map_or(0, |word| word.load(Ordering::Acquire))
    }

    #[inline(always)]
    fn store(&self, place: usize, value: u64) {
        if let Some(word) = self.memory.words().get(place) {
            word.store(value, Ordering::Release);
        }
    }

    /// The next one who may be found by a hash. `link` is the word that leads there, 0 to begin with.
    #[inline(never)]
    pub fn next(&self, hash: u32, is_defined: bool, link: &mut usize) -> Option<ModuleId> {
        if *link == 0 {
            *link = self.chain(hash);
        }
        let words = self.memory.words();
        loop {
            let entry = 2 * words.get(*link)?.load(Ordering::Acquire) as usize;
            if entry == 0 {
                return None;
            }
            *link = entry + 1;
            let key = words.get(entry)?.load(Ordering::Acquire);
            if (key >> 32) as u32 == marked(hash, is_defined) {
                return Some(ModuleId(key as u32));
            }
        }
    }

    /// Has a module found by a hash, behind all others. `None` when there is no room.
    fn add(&self, hash: u32, module: ModuleId) -> Option<()> {
        let number = self.next.load(Ordering::Relaxed);
        let entry = 2 * number as usize;
        self.memory.words().get(entry)?;
        self.next.store(number + 1, Ordering::Relaxed);
        self.store(entry, u64::from(hash) << 32 | u64::from(module.0));
        let chain = self.chain(hash);
        let link = match self.load(chain + 1) {
            0 => chain,
            last => 2 * last as usize + 1,
        };
        self.store(link, number);
        self.store(chain + 1, number);
        Some(())
    }

    /// Takes a module out of the chain of a hash, once: as often as it was added.
    fn remove(&self, hash: u32, module: ModuleId) {
        let chain = self.chain(hash);
        let (mut before, mut link) = (0, chain);
        // What stands further behind stays, and leads to nobody.
        for _ in 0..MOST_STEPS {
            let number = self.load(link);
            let entry = 2 * number as usize;
            if number == 0 {
                return;
            }
            if self.load(entry) as u32 == module.0 {
                let behind = self.load(entry + 1);
                self.store(link, behind);
                if behind == 0 {
                    self.store(chain + 1, before);
                }
                return;
            }
            (before, link) = (number, entry + 1);
        }
    }

    /// Has a module found by its names, file and link_map, or `by_definitions`; or not any more, if it `goes`. `None` when there is no room.
    #[inline(never)]
    pub fn note(&self, module: &Module, by_definitions: bool, goes: bool) -> Option<()> {
        let (places, names) = match by_definitions {
            true => (module.symbols.findable()?, [0; NAMES as usize]),
            false => (0..NAMES, names(module)),
        };
        for place in places {
            let hash = match names.get(place as usize) {
                Some(hash) if !by_definitions => *hash,
                _ => module.symbols.hash_at(SymbolIndex(place)),
            };
            let hash = marked(hash, by_definitions);
            match goes {
                true => self.remove(hash, module.id),
                false => self.add(hash, module.id)?,
            }
        }
        Some(())
    }
}

/// A hash whose lowest bit, which is in no table, says of what it is.
fn marked(hash: u32, is_definition: bool) -> u32 {
    hash & !1 | u32::from(is_definition)
}

/// What a module is found by. One of a kind that it does not have leads to it in vain.
fn names(module: &Module) -> [u32; NAMES as usize] {
    [
        gnu_hash(module.name.bytes()),
        gnu_hash(module.soname.unwrap_or_default()),
        module.identity.map_or(0, |identity| identity.hash()),
        hash_of_number(module.link_map.load(Ordering::Acquire) as u64),
    ]
}
