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
use alloc::vec::Vec;
use core::ffi::c_int;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::information::PhdrInfo;
use super::locks::{INSIDE, Loading, thread_word};
use super::owned::{AtomicArc, Linked};
use super::{runtime, threads};
use crate::abi::Abi;
use crate::elf::Address;
use crate::foreign::Code;
use crate::world::{Module, Roster, World, hash_of_number};

/// A world with what its end takes.
pub struct Published {
    pub(super) world: World,
    /// What `dl_iterate_phdr` shows of each module of the list; null before it is first called.
    rows: AtomicPtr<PhdrInfo>,
    /// In [`FORMER`]: the one that was replaced before.
    next: AtomicArc<Published>,
    /// Whether [`FIRST`] has been empty since it was replaced.
    left_by_first: AtomicBool,
    /// Whether [`SECOND`] has.
    left_by_second: AtomicBool,
}

impl Published {
    fn new(world: World) -> Published {
        Published {
            world,
            rows: AtomicPtr::new(null_mut()),
            next: AtomicArc::empty(),
            left_by_first: AtomicBool::new(false),
            left_by_second: AtomicBool::new(false),
        }
    }

    /// What `dl_iterate_phdr` shows of each module of the list, made when it is first asked for. `None` without memory.
    pub(super) fn rows(&self) -> Option<&[PhdrInfo]> {
        let list = &self.world.list;
        if self.rows.load(Ordering::Acquire).is_null() {
            let mut rows = Vec::new();
            rows.try_reserve_exact(list.len()).ok()?;
            rows.extend(list.iter().map(|id| PhdrInfo::of(&self.world, *id)));
            let rows = Box::into_raw(rows.into_boxed_slice()).cast();
            // Another thread, or a signal handler of this one, may have made them meanwhile.
            let (done, order) = (Ordering::AcqRel, Ordering::Relaxed);
            if self.rows.compare_exchange(null_mut(), rows, done, order).is_err() {
                self.drop_rows(rows);
            }
        }
        // SAFETY: one for each of the list; neither changes, and both stay as long as this does.
        Some(unsafe { core::slice::from_raw_parts(self.rows.load(Ordering::Acquire), list.len()) })
    }

    /// Gives back rows that nobody looks at.
    fn drop_rows(&self, rows: *mut PhdrInfo) {
        let rows = core::ptr::slice_from_raw_parts_mut(rows, self.world.list.len());
        // SAFETY: `rows` made them as a box, with one for each of the list, and they are given back once.
        drop(unsafe { Box::from_raw(rows) });
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let rows = *self.rows.get_mut();
        if !rows.is_null() {
            self.drop_rows(rows);
        }
    }
}

impl Linked for Published {
    fn next(&self) -> &AtomicArc<Published> {
        &self.next
    }
}

/// The published world, once the start has one.
static WORLD: AtomicArc<Published> = AtomicArc::empty();

/// Worlds that are no longer published but may still be read: a list that one pushes to, or takes whole, in one instruction, so that
/// neither a signal handler nor the child of a `fork` finds it half done.
static FORMER: AtomicArc<Published> = AtomicArc::empty();

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
    if let Some(old) = WORLD.swap(Some(Arc::new(Published::new(world)))) {
        FORMER.push(old);
        REPLACED.fetch_add(1, Ordering::Relaxed);
    }
    threads::publication_is_over();
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
    let mut next = FORMER.swap(None);
    if next.is_none() {
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
    while let Some(one) = next {
        next = one.next.swap(None);
        if first_is_empty {
            one.left_by_first.store(true, Ordering::Relaxed);
        }
        if second_is_empty {
            one.left_by_second.store(true, Ordering::Relaxed);
        }
        let is_left = one.left_by_first.load(Ordering::Relaxed) && one.left_by_second.load(Ordering::Relaxed);
        if !is_left {
            left += 1;
            FORMER.push(one);
        }
        // Else this was its last owner, and nobody reads it: both counts were empty since it was replaced.
    }
    left
}

/// A reader, by the count that it is in.
pub(super) struct Reading(&'static AtomicUsize);

impl Reading {
    #[inline(never)]
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
        world_of(self)
    }
    pub(super) fn published(&self) -> Option<&Published> {
        published_of(self)
    }
    #[inline(never)]
    fn module_at(&self, address: Address) -> Option<&Module> {
        self.world()?.at(address).map(|module| &**module)
    }
}

/// Who keeps the published world from being freed: a reader, which was counted before it looks; and the mark of a thread that loads, which holds the long lock,
/// so that nobody else publishes, nor does a signal handler in this thread, until the caller itself publishes another world.
pub(super) trait Keeper {}
impl Keeper for Reading {}
impl Keeper for Loading {}

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
        visiting.note(1);
        visiting
    }
    /// Notes so many more of its kind. A process without libc does not tell of forks, and its thread pointer is nobody's business.
    fn note(&self, times: u64) {
        let more = times << if self.0.is_first() { IN_FIRST } else { IN_SECOND };
        if runtime().is_some_and(|runtime| !matches!(runtime.abi, Abi::Bare)) {
            let word = thread_word();
            word.store(word.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        }
    }
}

impl Drop for Visiting {
    fn drop(&mut self) {
        self.note(u64::MAX);
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

/// The published world.
pub(super) fn world_of<K: Keeper>(keeper: &K) -> Option<&World> {
    published_of(keeper).map(|published| &published.world)
}

/// As [`world_of`], with what goes with it.
#[inline(always)]
fn published_of<K: Keeper>(_keeper: &K) -> Option<&Published> {
    // SAFETY: a world is freed when both counts were empty after another one was published: not while a keeper is there.
    unsafe { WORLD.address().as_ref() }
}

/// Calls `body` with the module whose mapping holds `address`.
pub fn with_module_at<T>(address: Address, body: impl FnOnce(&Module) -> T) -> Option<T> {
    let reading = Reading::start();
    reading.module_at(address).map(body)
}

/// The function at `address`, if that is in an executable segment of a module.
pub fn code_at(address: Address) -> Option<Code> {
    with_module_at(address, |module| Code::of(&module.image, address))?
}

/// Calls `body` with the module whose link_map is at `map`; `None` when there is none.
pub fn with_module_of_map<T>(map: usize, body: impl FnOnce(&Module) -> T) -> Option<T> {
    with_world(|world, _| module_of_map(world, map).map(|module| body(module))).flatten()
}

pub(super) fn module_of_map(world: &World, map: usize) -> Option<&Arc<Module>> {
    let is_meant = |module: &Module| map != 0 && module.link_map.load(Ordering::Acquire) == map;
    world.modules.find_by(hash_of_number(map as u64), &is_meant)
}
