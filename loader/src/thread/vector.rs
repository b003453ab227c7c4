//! A thread's vector of blocks (dtv) and the blocks that were made for the thread alone.
//!
//! # Safety
//! A vector is memory of its own ([`Memory`]), which says how long it is. It is found by the word of its thread ([`Place`]), and belongs to that thread: it is
//! written by it, or by its creator before the thread runs.
#![allow(unsafe_code)]

use alloc::alloc::{Layout as Shape, dealloc};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::dl::AtomicBox;
use crate::foreign::Span;
use crate::image::Memory;
use crate::sys::linux;
use crate::world::{Module, ModuleId};

/// The value of a pair whose block does not exist yet.
pub const UNALLOCATED: u64 = u64::MAX;

/// Pairs that a vector has beyond those in use, for libraries opened later.
const SPARE: u64 = 14;

/// Blocks from this size on are mappings of their own rather than parts of lode's heap, in bytes.
const OWN_MAPPING: usize = 64 * 1024;

/// The vector as it lies in memory. Only the number of pairs and what follows is known to libc, and to its debugger library.
#[repr(C)]
pub struct Vector {
    /// The blocks that were made on first touch.
    blocks: AtomicBox<Block>,
    /// How many pairs follow that of the generation.
    capacity: AtomicU64,
    /// The same, for libc.
    count: AtomicU64,
    pad: AtomicU64,
    /// The generation, then for each module with thread-local storage, by its number, where its block is.
    pairs: [Pair],
}

/// What C has for one module.
#[repr(C)]
struct Pair {
    value: AtomicU64,
    /// What libc frees with the thread: nothing, because blocks are lode's.
    freed: AtomicU64,
}

impl Pair {
    #[inline]
    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    #[inline]
    fn set(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
        self.freed.store(0, Ordering::Relaxed);
    }
}

/// Bytes before the first pair.
const HEAD: u64 = 32;

/// A block that a thread made on first touch.
struct Block {
    next: Option<Box<Block>>,
    /// Whose block it is, and the number that this module has.
    owner: ModuleId,
    number: u64,
    /// Its run-time address.
    address: u64,
    /// What it lies in.
    _memory: Held,
}

/// Memory of a block or of a vector, which nobody else has.
struct Held {
    /// Address and number of its words.
    first: usize,
    count: usize,
    /// A mapping, and not part of lode's heap.
    is_mapping: bool,
}

impl Held {
    fn new(words: &'static [AtomicU64], is_mapping: bool) -> Held {
        Held {
            first: words.as_ptr().expose_provenance(),
            count: words.len(),
            is_mapping,
        }
    }
}

impl Drop for Held {
    #[inline(never)]
    fn drop(&mut self) {
        let size = self.count * size_of::<AtomicU64>();
        // SAFETY: whole pages, or words of the heap that were a `Memory`. Whoever had it gives it away here, and nobody uses it. Pages that cannot be given back stay.
        unsafe {
            if self.is_mapping {
                let _ = crt::syscall::munmap(self.first, size);
            } else if let Ok(shape) = Shape::from_size_align(size, align_of::<AtomicU64>()) {
                dealloc(core::ptr::with_exposed_provenance_mut(self.first), shape);
            }
        }
    }
}

/// A vector and its blocks, which are given back with it.
pub struct Dtv(&'static Vector);

impl Dtv {
    /// A vector with room for `modules` and some more, of the generation that was read before the modules were counted. `None` when there is no memory.
    #[inline(never)]
    pub fn allocate(modules: u64, generation: u64) -> Option<Dtv> {
        // There are far fewer modules than that, and such a length does not exist.
        let pairs = modules.saturating_add(SPARE);
        let size = pairs.saturating_mul(size_of::<Pair>() as u64);
        let words = Memory::zeroed(size.saturating_add(HEAD + size_of::<Pair>() as u64) as usize)?.leak();
        let [_, capacity, count, ..] = words else { return None };
        capacity.store(pairs, Ordering::Relaxed);
        count.store(pairs, Ordering::Relaxed);
        let vector = Vector::at(words.as_ptr().expose_provenance() as u64 + HEAD)?;
        vector.clear(generation);
        Some(Dtv(vector))
    }

    /// The vector, for as long as it is there.
    pub(super) fn vector(&self) -> &Vector {
        self.0
    }

    /// The address of its first pair.
    pub fn address(&self) -> u64 {
        self.0.address()
    }

    /// Leaves it to a thread, which holds its address.
    pub(super) fn keep(self) -> &'static Vector {
        let vector = self.0;
        core::mem::forget(self);
        vector
    }
}

impl Drop for Dtv {
    #[inline(never)]
    fn drop(&mut self) {
        if !self.0.blocks.is_empty() {
            self.0.release_all_blocks();
        }
        let _memory = Held {
            first: (&raw const *self.0).cast::<AtomicU64>().addr(),
            count: size_of_val(self.0) / 8,
            is_mapping: false,
        };
    }
}

/// A word that holds the address of the vector of a thread, or 0.
#[derive(Clone, Copy, Debug)]
pub struct Place(&'static AtomicU64);

impl Place {
    /// That of a thread, in which nothing else is ever stored.
    pub(super) fn of(word: &'static AtomicU64) -> Place {
        Place(word)
    }

    /// The vector that is there, for as long as the thread has it.
    #[inline]
    pub(super) fn vector(self) -> Option<&'static Vector> {
        Vector::at(self.0.load(Ordering::Relaxed))
    }

    /// Puts another one there, or none.
    pub(super) fn replace(self, vector: Option<Dtv>) -> Option<Dtv> {
        Vector::at(self.0.swap(address_of(vector), Ordering::Relaxed)).map(Dtv)
    }

    /// As [`Place::replace`], where none is.
    pub(super) fn begin(self, vector: Option<Dtv>) {
        self.0.store(address_of(vector), Ordering::Relaxed);
    }
}

fn address_of(vector: Option<Dtv>) -> u64 {
    vector.map_or(0, |vector| vector.keep().address())
}

impl Vector {
    /// The one whose first pair is at an address; `None` at 0.
    #[inline]
    fn at(address: u64) -> Option<&'static Vector> {
        if address == 0 {
            return None;
        }
        let first = core::ptr::with_exposed_provenance::<Pair>(address.wrapping_sub(HEAD) as usize);
        let head = core::ptr::slice_from_raw_parts(first, 0) as *const Vector;
        // SAFETY: memory that `Dtv::allocate` made, and whose head says how many pairs follow. Words of it have a value whatever their bits are, and null is no box.
        unsafe {
            let pairs = (*head).capacity.load(Ordering::Relaxed) as usize + 1;
            Some(&*(core::ptr::slice_from_raw_parts(first, pairs) as *const Vector))
        }
    }

    /// The address of its first pair.
    pub fn address(&self) -> u64 {
        self.pairs.as_ptr().addr() as u64
    }

    /// The highest number that it has a pair for.
    pub fn pairs(&self) -> u64 {
        self.pairs.len() as u64 - 1
    }

    /// The pairs of modules, with their numbers.
    fn modules(&self) -> impl Iterator<Item = (u64, &Pair)> {
        (0..).zip(&self.pairs).skip(1)
    }

    /// The process's generation at which it was looked through.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.get(0)
    }

    /// Where the block of the module with this number is, or [`UNALLOCATED`].
    #[inline]
    pub fn get(&self, number: u64) -> u64 {
        self.pairs.get(number as usize).map_or(UNALLOCATED, Pair::get)
    }

    /// Says where a block is.
    pub fn set(&self, number: u64, block: u64) {
        if let Some(pair) = self.pairs.get(number as usize) {
            pair.set(block);
        }
    }

    /// No block exists, and it was looked through at `generation`.
    #[inline(never)]
    pub fn clear(&self, generation: u64) {
        let mut value = generation;
        for pair in &self.pairs {
            pair.set(core::mem::replace(&mut value, UNALLOCATED));
        }
    }

    /// Forgets blocks for which `stays` is not, and gives back those that it made of modules for which `is_there` is not: it was looked through at `generation`.
    #[inline]
    pub fn catch_up(
        &self,
        generation: u64,
        stays: impl Fn(u64, u64) -> bool,
        is_there: impl Fn(u64, ModuleId) -> bool,
    ) {
        for (number, pair) in self.modules() {
            if !stays(number, pair.get()) {
                pair.set(UNALLOCATED);
            }
        }
        self.release_blocks(&|block| !is_there(block.number, block.owner));
        self.set(0, generation);
    }

    /// Forgets the block of one module, and gives it back.
    pub fn forget(&self, number: u64, owner: ModuleId) {
        self.set(number, UNALLOCATED);
        self.release_blocks(&|block| block.owner == owner);
    }

    /// The owner of the block at an address, if the thread has made it.
    pub fn owner_of(&self, address: u64) -> Option<ModuleId> {
        let blocks = self.blocks.swap(None);
        let list = core::iter::successors(blocks.as_deref(), |block| block.next.as_deref());
        let owner = list
            .filter(|block| block.address == address)
            .map(|block| block.owner)
            .next();
        self.blocks.put(blocks);
        owner
    }

    /// Gives back the blocks that `is_over` names.
    #[inline(never)]
    fn release_blocks(&self, is_over: &dyn Fn(&Block) -> bool) {
        let mut next = self.blocks.swap(None);
        let mut staying = None;
        while let Some(mut block) = next {
            next = block.next.take();
            if !is_over(&block) {
                block.next = staying;
                staying = Some(block);
            }
        }
        self.blocks.put(staying);
    }

    /// Gives back all blocks that it made.
    pub fn release_all_blocks(&self) {
        self.release_blocks(&|_| true);
    }

    /// Makes the block of a module, with its initial bytes; returns its address. `None` when there is no memory.
    pub fn make_block(&self, module: &Module, number: u64) -> Option<u64> {
        let template = module.layout.tls?;
        let align = usize::try_from(template.align).ok()?.max(1);
        let length = usize::try_from(template.memory_size)
            .ok()?
            .checked_add(align.checked_mul(2)?)?;
        let mapping = (length >= OWN_MAPPING).then(|| linux::allocate(length)).flatten();
        let is_mapping = mapping.is_some();
        // A first touch cannot fail politely, so a block that gets no mapping still has what the heap reserved at the start.
        let words = match mapping {
            Some(words) => words,
            None => Memory::zeroed(length)?.leak(),
        };
        let memory = Held::new(words, is_mapping);
        // A multiple of a power of two; then the block's first byte has to be congruent to its address in the file.
        let inside = memory.first.wrapping_neg() & (align - 1);
        let inside = inside + (template.vaddr.0 as usize & (align - 1));
        // What follows the initial bytes is zero in fresh memory, and stays untouched: a large block may never be used.
        let initial = Span::of(words).part(inside, template.file_size as usize);
        let address = initial.and_then(|initial| {
            initial.begin_with(&module.image, template.vaddr, template.file_size)?;
            Some(initial.address())
        })?;
        let next = self.blocks.swap(None);
        self.blocks.put(Some(Box::new(Block {
            next,
            owner: module.id,
            number,
            address,
            _memory: memory,
        })));
        Some(address)
    }

    /// Takes what another one holds: its blocks, and where they are.
    pub fn take_over(&self, other: &Vector) {
        for (own, other) in self.pairs.iter().zip(&other.pairs) {
            own.set(other.get());
        }
        self.blocks.put(other.blocks.swap(None));
    }
}
