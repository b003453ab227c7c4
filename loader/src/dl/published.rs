//! What everybody reads: the published world, its readers, and former worlds that some of them may still hold.
//!
//! A reader takes no lock: it counts itself and uses the world that is published. There are two counts, and new readers go to one of them only, so
//! that the other runs empty even where threads read without a pause. A former world is freed when both counts have been seen empty
//! since it was replaced: whoever held it was in one of them.
//!
//! # Safety
//! A world is freed by whoever unpublished it and saw that no reader is left that could have met it.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::locks::{INSIDE, Loading, thread_word};
use super::runtime;
use crate::abi::Abi;
use crate::elf::Address;
use crate::world::{Module, Roster, World};

/// A world with what its end takes.
struct Published {
    world: World,
    /// In [`FORMER`]: the one that was replaced before.
    next: *mut Published,
    /// Whether [`FIRST`] has been empty since it was replaced.
    left_by_first: bool,
    /// Whether [`SECOND`] has.
    left_by_second: bool,
}

/// The published world. Null before the start has one.
static WORLD: AtomicPtr<Published> = AtomicPtr::new(core::ptr::null_mut());

/// Worlds that are no longer published but may still be read: a list that one pushes to, or takes whole, in one instruction, so that
/// neither a signal handler nor the child of a `fork` finds it half done.
static FORMER: AtomicPtr<Published> = AtomicPtr::new(core::ptr::null_mut());

/// How many worlds were replaced since [`FORMER`] was looked through, and how many were left in it then.
static REPLACED: AtomicUsize = AtomicUsize::new(0);
/// See [`REPLACED`].
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Up to so many of them are looked at each time.
const FEW_FORMER: usize = 8;

/// When so many of them have come together, whoever frees them gives readers that were interrupted a chance to end.
const MANY_FORMER: usize = 256;

/// A number in a cache line of its own: a thread that reads without a pause must not slow down those that use what lies beside it.
#[repr(align(64))]
struct Count(AtomicUsize);

/// How many threads are looking at a published world. A reader that is left by `longjmp` is counted for ever: former worlds are then kept, and
/// looked through ever more rarely.
static FIRST: Count = Count(AtomicUsize::new(0));
/// As [`FIRST`]: those who came in while that one was running empty.
static SECOND: Count = Count(AtomicUsize::new(0));
/// Whether who begins now goes to [`SECOND`].
static TO_SECOND: AtomicBool = AtomicBool::new(false);

/// Makes `world` the one that everybody reads. Called under the long lock; the one that it replaces goes with [`free_former`].
pub fn publish(world: World) {
    let new = Box::into_raw(Box::new(Published {
        world,
        next: core::ptr::null_mut(),
        left_by_first: false,
        left_by_second: false,
    }));
    let old = WORLD.swap(new, Ordering::SeqCst);
    if !old.is_null() {
        push_former(old);
        REPLACED.fetch_add(1, Ordering::Relaxed);
    }
}

fn push_former(one: *mut Published) {
    let mut head = FORMER.load(Ordering::Relaxed);
    loop {
        // SAFETY: a former world belongs to whoever holds its pointer, until it is in the list; readers do not look at this member.
        unsafe { (&raw mut (*one).next).write(head) };
        match FORMER.compare_exchange_weak(head, one, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => head = other,
        }
    }
}

/// Frees the former worlds that nobody reads, and unmaps what they alone kept. Better called without the long lock, because it takes its time.
pub(super) fn free_former() {
    // Where many cannot go, looking at all of them again is put off until there are half as many more: a reader that was interrupted must not
    // make each call as long as the list is.
    let left = LEFT.load(Ordering::Relaxed);
    if left > FEW_FORMER && REPLACED.load(Ordering::Relaxed) < left / 2 {
        return;
    }
    let mut before = usize::MAX;
    loop {
        let left = free_some_former();
        LEFT.store(left, Ordering::Relaxed);
        if left < MANY_FORMER || left >= before {
            return;
        }
        before = left;
        crt::syscall::sched_yield();
    }
}

/// Returns how many are left.
fn free_some_former() -> usize {
    REPLACED.store(0, Ordering::Relaxed);
    let mut next = FORMER.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if next.is_null() {
        return 0;
    }
    // Whoever counts itself from here on reads a world that was published later than those of the list.
    let first_is_empty = FIRST.0.load(Ordering::SeqCst) == 0;
    let second_is_empty = SECOND.0.load(Ordering::SeqCst) == 0;
    if first_is_empty || second_is_empty {
        // Who comes now leaves the other count alone, which runs empty.
        TO_SECOND.store(second_is_empty, Ordering::Relaxed);
    }
    let mut left = 0;
    while !next.is_null() {
        let one = next;
        // SAFETY: the list was taken whole, so its elements are this call's. Readers may still look at the world in one, not at these members.
        let is_read = unsafe {
            next = (*one).next;
            (*one).left_by_first |= first_is_empty;
            (*one).left_by_second |= second_is_empty;
            !((*one).left_by_first && (*one).left_by_second)
        };
        if is_read {
            left += 1;
            push_former(one);
        } else {
            // SAFETY: made by `Box::into_raw` in `publish`, replaced, and read by nobody: both counts were empty since.
            drop(unsafe { Box::from_raw(one) });
        }
    }
    left
}

/// A reader, by the count that it is in.
pub(super) struct Reading(&'static AtomicUsize);

impl Reading {
    pub(super) fn start() -> Reading {
        let readers = if TO_SECOND.load(Ordering::Relaxed) {
            &SECOND.0
        } else {
            &FIRST.0
        };
        readers.fetch_add(1, Ordering::SeqCst);
        Reading(readers)
    }
    /// Whether it is in [`FIRST`].
    pub(super) fn is_first(&self) -> bool {
        core::ptr::eq(self.0, &FIRST.0)
    }
    pub(super) fn world(&self) -> Option<&World> {
        let published = WORLD.load(Ordering::SeqCst);
        // SAFETY: a world is freed only when both counts were empty after another one was published, and this reader was counted before it looked.
        (!published.is_null()).then(|| unsafe { &(*published).world })
    }
}

impl Drop for Reading {
    /// In the child of a `fork` that a signal handler made in the middle of reading, the count may be 0 already.
    #[inline(never)]
    fn drop(&mut self) {
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
    }
}

/// What an unwinder asks of a door of `dl_iterate_phdr` (Itanium C++ ABI, "Personality Routine") when an exception, the end of a thread or its
/// cancellation passes it: the reader that it leaves is counted out, and unwinding goes on.
fn leave(readers: &'static AtomicUsize, actions: c_int) -> c_int {
    const CLEANUP_PHASE: c_int = 2;
    const CONTINUE_UNWIND: c_int = 8;
    if actions & CLEANUP_PHASE != 0 {
        drop(Visiting(Reading(readers)));
    }
    CONTINUE_UNWIND
}

#[unsafe(no_mangle)]
extern "C" fn lode_leave_first_readers(_version: c_int, actions: c_int) -> c_int {
    leave(&FIRST.0, actions)
}

#[unsafe(no_mangle)]
extern "C" fn lode_leave_second_readers(_version: c_int, actions: c_int) -> c_int {
    leave(&SECOND.0, actions)
}

/// A reader that runs code of the program meanwhile, which may fork: each thread notes how many of them it is, by the count that they are in.
pub(super) struct Visiting(pub(super) Reading);

/// Bits of a thread's word ([`thread_word`]) below its numbers of readers in [`FIRST`], and in [`SECOND`].
const IN_FIRST: u32 = INSIDE.trailing_ones();
const IN_SECOND: u32 = IN_FIRST + 8;

impl Visiting {
    pub(super) fn start() -> Visiting {
        let visiting = Visiting(Reading::start());
        visiting.note(u64::wrapping_add);
        visiting
    }
    /// A process without libc does not tell of forks, and its thread pointer is nobody's business.
    fn note(&self, change: fn(u64, u64) -> u64) {
        let one = 1 << if self.0.is_first() { IN_FIRST } else { IN_SECOND };
        if runtime().is_some_and(|runtime| !matches!(runtime.abi, Abi::Bare)) {
            let word = thread_word();
            word.store(change(word.load(Ordering::Relaxed), one), Ordering::Relaxed);
        }
    }
}

impl Drop for Visiting {
    fn drop(&mut self) {
        self.note(u64::wrapping_sub);
    }
}

/// In the child of a `fork`, where no other thread is.
pub(super) fn forget_readers() {
    let own = thread_word().load(Ordering::Relaxed);
    FIRST.0.store((own >> IN_FIRST & 0xff) as usize, Ordering::SeqCst);
    SECOND.0.store((own >> IN_SECOND) as usize, Ordering::SeqCst);
}

/// Calls `body` with the published world. `None` before there is one.
pub fn with_world<T>(body: impl FnOnce(&World, Roster<'_>) -> T) -> Option<T> {
    let reading = Reading::start();
    reading.world().map(|world| body(world, world.roster()))
}

/// The published world, for a thread that holds the long lock and has the mark: nobody else publishes, nor does a signal handler in this thread, so it
/// stays without a count until the caller itself publishes another one.
pub(super) fn world_of(_mark: &Loading) -> Option<&World> {
    let published = WORLD.load(Ordering::Acquire);
    // SAFETY: a world is freed only after another one was published.
    (!published.is_null()).then(|| unsafe { &(*published).world })
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
