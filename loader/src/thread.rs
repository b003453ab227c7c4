//! The dynamic half of thread-local storage: a thread's vector of blocks (dtv), static blocks filled, dynamic blocks made on first touch.
//!
//! A dtv is an array of pairs. Pair 0 holds the generation, pair *m* the block of module *m* and a pointer that libc may free with
//! the thread; the word two before pair 0 holds the number of pairs (TLS ABI, section 3.4.1; the order is glibc's, because its libc and
//! its debugger library read it). Before that lie two words of lode's own: the capacity and the list of dynamic blocks.
//!
//! When a library goes, its blocks stay in every thread's dtv, and its number may be given to another library. So the generation of the process
//! ([`GENERATION`]) moves on with each library that goes, and a thread whose dtv is behind looks through it ([`catch_up`]) before it
//! believes a pair.
//!
//! # Safety
//! Every thread has a word for the address of its vector, and below its pointer as many bytes as the plan has taken ([`crate::tls::TlsPlan`]).
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use crate::foreign::Span;
use crate::image::Area;
use crate::sys::machine;
use crate::world::{Module, Roster, TlsSlot};

mod head;
mod vector;

pub use head::ThreadHead;
pub use vector::Dtv;
use vector::{Place, UNALLOCATED, Vector};

/// How often libraries with thread-local storage were unloaded. Moves on after the world without the library is published; whoever makes a
/// dtv or looks through one notes the number *before* it looks at the world.
pub static GENERATION: AtomicU64 = AtomicU64::new(0);

/// What a thread has below its pointer, in bytes: whatever the plan has taken.
const PLANNED: u64 = u64::MAX;

/// Copies a module's image to its static block below a thread pointer, or below what stands for one, if there are as many bytes; returns the block's address.
#[inline(never)]
fn fill_block(pointer: u64, below: u64, module: &Module) -> Option<u64> {
    let template = module.layout.tls?;
    let offset = module.tls()?.offset.filter(|offset| *offset <= below)?;
    let block = pointer.wrapping_sub(offset);
    // SAFETY: the plan has given the module so many bytes there in every thread. None runs on them yet, or no code of the module has run.
    let place = unsafe { Area::at(block as *mut u8, template.memory_size as usize) };
    place.begin_with(&module.image, template.vaddr, template.file_size)?;
    Some(block)
}

/// As [`fill_block`], of a module none of whose code has run, in the calling thread.
pub fn fill_own(module: &Module) {
    fill_block(machine::thread_pointer(), PLANNED, module);
}

/// As [`fill_own`], in another thread.
///
/// # Safety
/// A thread has this pointer, and stays meanwhile.
pub unsafe fn fill_other(pointer: u64, module: &Module) {
    fill_block(pointer, PLANNED, module);
}

/// As [`fill_own`], in what the blocks of new threads are copied from, which ends where they have the thread pointer.
pub fn fill_image(image: Span, module: &Module) {
    let size = image.size() as u64;
    fill_block(image.address() + size, size, module);
}

/// Distance from the word behind the thread pointer of the one that holds the address of lode's vector. glibc and programs without libc keep it in the former;
/// musl has a vector of its own there, so that lode's stands among lode's words, and does not exist before a block is asked for.
pub static VECTOR_PLACE: AtomicU64 = AtomicU64::new(0);

/// Where the calling thread has its vector.
fn own_place() -> Place {
    let place = machine::thread_pointer()
        .wrapping_add(VECTOR_PLACE.load(Ordering::Relaxed))
        .wrapping_add(8);
    // SAFETY: the word is part of every thread, and lode's.
    Place::of(unsafe { AtomicU64::from_ptr(place as *mut u64) })
}

/// The first vector of the calling thread.
#[cold]
fn first_vector(place: Place, roster: Roster<'_>, generation: u64) -> Option<&'static Vector> {
    let mut modules = 0;
    for slot in roster.iter().filter_map(Module::tls) {
        modules = modules.max(slot.id);
    }
    place.begin(Dtv::allocate(modules, generation));
    crate::dl::announce_thread();
    place.vector()
}

/// Gives back the blocks of the calling thread, which ends. What it asks for from now on is made again.
pub fn release_own() {
    let _former = own_place().replace(None);
}

/// The block of a module in the calling thread if it exists already.
pub fn existing_block(module: &Module) -> Option<u64> {
    let slot = module.tls()?;
    if let Some(offset) = slot.offset {
        return Some(machine::thread_pointer().wrapping_sub(offset));
    }
    let vector = own_place().vector()?;
    let is_current = vector.generation() == generation();
    let block = vector.get(slot.id);
    let exists = block != UNALLOCATED && block != 0;
    (exists && (is_current || undisturbed(|| is_of(block, module, slot)))).then_some(block)
}

/// Calls `body` while signals wait: a handler may touch thread-local variables, which changes the vector and the list of blocks.
fn undisturbed<T>(body: impl FnOnce() -> T) -> T {
    let mask = crt::syscall::signal_mask(crt::syscall::SIG_SETMASK, u64::MAX);
    let result = body();
    if let Ok(mask) = mask {
        // Restoring a mask that the kernel gave cannot fail.
        let _ = crt::syscall::signal_mask(crt::syscall::SIG_SETMASK, mask);
    }
    result
}

/// Whether a block that a pair of the calling thread names is this module's, and not that of one that had its number before.
fn is_of(block: u64, module: &Module, slot: TlsSlot) -> bool {
    match slot.offset {
        Some(offset) => block == machine::thread_pointer().wrapping_sub(offset),
        None => own_place().vector().and_then(|vector| vector.owner_of(block)) == Some(module.id),
    }
}

/// Takes out of the calling thread's vector what modules that are gone left there, so that it is of `generation`, which was read
/// before the roster.
#[cold]
fn catch_up(vector: &Vector, roster: Roster<'_>, generation: u64) {
    let stays = |number, block| {
        let module = roster.by_tls_number(number);
        module.is_some_and(|module| module.tls().is_some_and(|slot| is_of(block, module, slot)))
    };
    let is_there = |number, owner| roster.by_tls_number(number).is_some_and(|module| module.id == owner);
    vector.catch_up(generation, stays, is_there);
}

/// Gives back the calling thread's block of a module that nobody else has, which resolvers touched before it was published.
pub fn forget(module: &Module) {
    if let Some(slot) = module.tls()
        && let Some(vector) = own_place().vector()
    {
        undisturbed(|| vector.forget(slot.id, module.id));
    }
}

/// The generation of the process; see [`GENERATION`].
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// The block of a module in the calling thread, made now if it does not exist; `generation` was read before the roster. `None` when there
/// is no memory.
pub fn block(module: &Module, roster: Roster<'_>, generation: u64) -> Option<u64> {
    undisturbed(|| {
        let place = own_place();
        let vector = place.vector().or_else(|| first_vector(place, roster, generation))?;
        if vector.generation() < generation {
            catch_up(vector, roster, generation);
        }
        block_now(place, vector, module)
    })
}

fn block_now(place: Place, mut vector: &Vector, module: &Module) -> Option<u64> {
    let slot = module.tls()?;
    let known = vector.get(slot.id);
    if known != UNALLOCATED && known != 0 {
        return Some(known);
    }
    if slot.id > vector.pairs() {
        vector = grow(place, vector, slot.id)?;
    }
    let block = match slot.offset {
        Some(offset) => machine::thread_pointer().wrapping_sub(offset),
        None => vector.make_block(module, slot.id)?,
    };
    vector.set(slot.id, block);
    Some(block)
}

/// A longer vector for the calling thread with what the old one held.
#[cold]
fn grow(place: Place, old: &Vector, module: u64) -> Option<&'static Vector> {
    let new = Dtv::allocate(module.checked_add(old.pairs())?, old.generation())?;
    new.vector().take_over(old);
    let old = place.replace(Some(new))?;
    // A first vector that libc knows as the initial one is not given back: libc compares addresses with it.
    if crate::dl::is_initial_dtv(old.address()) {
        core::mem::forget(old);
    }
    place.vector()
}
