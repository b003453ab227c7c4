//! What everybody reads: the published world, its readers, and former worlds that some of them may still hold.
//!
//! A reader takes no lock: it counts itself and uses the world that is published. A former world is freed when nobody is counted.
//!
//! # Safety
//! A world is freed by whoever unpublished it and found no reader.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use spin::Mutex;

use crate::elf::Address;
use crate::world::{Module, Roster, World};

/// The published world. Null before the start has one.
static WORLD: AtomicPtr<World> = AtomicPtr::new(core::ptr::null_mut());

/// How many threads are looking at a published world. A reader that is left by `longjmp` is counted for ever: former worlds are then kept,
/// which is only memory.
pub(super) static READERS: AtomicUsize = AtomicUsize::new(0);

/// Worlds that are no longer published but may still be read.
pub(super) static FORMER: Mutex<Vec<FormerWorld>> = Mutex::new(Vec::new());

/// When so many more of them have come together, a publication waits for a moment without readers.
const MANY_FORMER: usize = 64;

pub(super) struct FormerWorld(*mut World);
// SAFETY: the pointer is owned by the list; it is freed by whoever finds no reader.
unsafe impl Send for FormerWorld {}

/// Makes `world` the one that everybody reads.
pub fn publish(world: World) {
    let new = Box::into_raw(Box::new(world));
    let old = WORLD.swap(new, Ordering::SeqCst);
    let mut former = FORMER.lock();
    if !old.is_null() {
        former.push(FormerWorld(old));
    }
    // Where threads read without a pause, the memory of what was unloaded must not pile up: now and then, give them a chance to pause.
    let piles_up = former.len() % MANY_FORMER == MANY_FORMER - 1;
    let mut patience = if piles_up { 1000 } else { 0 };
    while patience != 0 && READERS.load(Ordering::SeqCst) != 0 {
        patience -= 1;
        crt::syscall::sched_yield();
    }
    // Whoever counts itself from here on reads the new world, so a zero means that nobody has an old one.
    if READERS.load(Ordering::SeqCst) == 0 {
        for FormerWorld(old) in former.drain(..) {
            // SAFETY: made by `Box::into_raw` above, unpublished, and read by nobody.
            drop(unsafe { Box::from_raw(old) });
        }
    }
}

pub(super) struct Reading;

impl Reading {
    pub(super) fn start() -> Reading {
        READERS.fetch_add(1, Ordering::SeqCst);
        Reading
    }
    pub(super) fn world(&self) -> Option<&World> {
        let world = WORLD.load(Ordering::SeqCst);
        // SAFETY: a published world is freed only when no reader is counted, and this one is.
        unsafe { world.as_ref() }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        stop_reading();
    }
}

/// Counts a reader out. In the child of a `fork` made by a reader the count began anew, so it may be 0 already.
fn stop_reading() {
    let _ = READERS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
}

/// What an unwinder asks of the door of `dl_iterate_phdr` (Itanium C++ ABI, "Personality Routine") when an exception, the end of a thread or its
/// cancellation passes it: the reader that it leaves is counted out, and unwinding goes on.
#[unsafe(no_mangle)]
extern "C" fn lode_leave_reading(_version: c_int, actions: c_int) -> c_int {
    const CLEANUP_PHASE: c_int = 2;
    const CONTINUE_UNWIND: c_int = 8;
    if actions & CLEANUP_PHASE != 0 {
        stop_reading();
    }
    CONTINUE_UNWIND
}

/// Calls `body` with the published world. `None` before there is one.
pub fn with_world<T>(body: impl FnOnce(&World, Roster<'_>) -> T) -> Option<T> {
    let reading = Reading::start();
    reading.world().map(|world| body(world, world.roster()))
}

/// Calls `body` with the module whose mapping holds `address`.
pub fn with_module_at<T>(address: Address, body: impl FnOnce(&Module) -> T) -> Option<T> {
    with_world(|world, _| world.at(address).map(|module| body(module))).flatten()
}

/// Calls `body` with the module whose link_map is at `map`; `None` when there is none.
pub fn with_module_of_map<T>(map: usize, body: impl FnOnce(&Module) -> T) -> Option<T> {
    with_world(|world, _| module_of_map(world, map).map(|module| body(module))).flatten()
}

pub(super) fn module_of_map(world: &World, map: usize) -> Option<&Arc<Module>> {
    world
        .modules
        .iter()
        .find(|module| map != 0 && module.link_map.load(Ordering::Acquire) == map)
}
