//! lode's heap: room in the image, which is enough for most programs, and then one contiguous range, reserved once and made usable as it grows.
//!
//! The room costs a small start no system call, and no page but those it fills: what is taken last can be given back or grow in place, and the longest piece that
//! went back between others is handed out first, in any size, and other long ones when the rest is used up: relocation gives back as much as a thread and its list of modules take. From the first
//! `dlopen` on the room is for what the range cannot give. All else lives in one range because `linked_list_allocator` manages one, and because
//! memory that belongs to lode can then be told from the program's by its address. The list is long after a start, and `dlopen` and `dlclose` ask for the same sizes again and again: what is given back
//! is kept by its size and handed out again without a search. The lock is held for list edits only, and names the thread that holds it. A signal handler that comes back
//! into lode in that very thread cannot wait for itself, so it does without the list: what it asks for is a mapping of its own, and what it gives
//! back is left for the one that it interrupted. So an edit costs no system call, as blocking signals would. The handler may wait for a lock that another thread has, for
//! which the edit then goes on no more: so no thread waits for the list for ever, but does, after a while, what the handler does. Where the kernel has no mapping for it,
//! there is spare memory with a list of its own.
//!
//! # Safety
//! Room, range and spare memory are lode's alone. Blocks of the range and of the spare memory are handed out by `linked_list_allocator`, which keeps them apart; those of the room are split off
//! from a piece of it, which has one owner. What was given back is a [`Block`], a value with one owner.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use spin::{Mutex, MutexGuard};

use super::machine;
use crate::error::Errno;
use crt::syscall as call;
use crt::{Content, Mapping};

/// Address space that the heap may grow into, in bytes. Halved until it fits under RLIMIT_AS.
///
/// An odd number of MiB: Linux puts a mapping of whole huge pages at the address of one, and the libraries, which come below it, would have 9 bits
/// less of the kernel's random address.
const RESERVE: usize = 63 << 20;

/// Least address space that lode starts with, in bytes.
const LEAST: usize = 256 << 10;

/// Bytes made usable at a time.
const STEP: usize = 256 << 10;

/// Every block has a multiple of this many bytes, and is aligned to it.
const UNIT: usize = size_of::<Unit>();

/// The largest blocks that are kept by their size, in units.
const LARGEST_KEPT: usize = 128;

/// How often a thread looks whether the list is free before it does without: below a millisecond, where the holder has a processor.
const PATIENCE: u32 = 1 << 15;

/// How often a thread that gets memory nowhere else comes back to the list.
const ATTEMPTS: u32 = 1 << 13;

/// How often before a fork: a child whose list is in the middle of an edit gets a mapping for each block, so this is much longer than another thread's fork takes.
const PATIENCE_OF_FORK: u32 = 1 << 25;

/// Blocks from this size on are mappings of their own: what looks up the symbols of a start is large, and its memory goes back to the kernel.
const LARGE: usize = 128 << 10;

/// Mappings from this size on may have huge pages: so many small ones cost several times what one huge one does, and hardly one of them would stay untouched.
const LARGER: usize = 256 << 10;

/// A huge page. Linux begins a mapping of such pages at the address of one (since 6.7).
const HUGE_PAGE: usize = 2 << 20;

/// The alignment of a mapping: that of the smallest page.
const PAGE: usize = 4096;

/// The index of the spare memory in [`Heap::places`].
const SPARE: usize = 2;

/// What the kernel answered when it last refused memory to lode, for people; 0 before it did.
static REFUSAL: AtomicI32 = AtomicI32::new(0);

/// Notes why the kernel gives no memory.
pub fn refused(why: Errno) {
    REFUSAL.store(why.0, Ordering::Relaxed);
}

/// Why there is no more memory: what the kernel said when it was last asked in vain.
pub fn refusal() -> Errno {
    match REFUSAL.load(Ordering::Relaxed) {
        0 => Errno::ENOMEM,
        errno => Errno(errno),
    }
}

/// The heap, to be made the global allocator by the binary.
pub struct Heap {
    /// For the thread that [`Heap::holder`] names.
    state: UnsafeCell<State>,
    /// The thread that edits the lists, by its pointer; 0 when there is none.
    holder: AtomicU64,
    /// Blocks that signal handlers gave back while the thread that they interrupted edited the list.
    left: AtomicPtr<Unit>,
    /// The spare memory, for who can have neither the list nor a mapping. It is nobody's list until it is first asked.
    spare: Mutex<linked_list_allocator::Heap>,
    /// First address and length of the room, the range and the spare memory; blocks elsewhere are mappings of their own.
    places: [[AtomicUsize; 2]; 3],
    /// [`Heap::hold`] found the lock taken by its own thread.
    interrupted: AtomicBool,
    /// Threads have pointers, and signals may arrive: the program runs.
    guarded: AtomicBool,
    /// A request could not be met.
    exhausted: AtomicBool,
}

/// A block that nobody uses, whose owner is whoever has this.
type Block = &'static mut [MaybeUninit<Unit>];

/// What stands in the first unit of a block that is in a list.
#[derive(Debug)]
#[repr(align(16))]
pub struct Unit {
    next: *mut Unit,
    /// Units of the block.
    count: usize,
}

/// Writes into a block which one comes behind it in a list. What is returned is the block from now on.
fn linked(block: &mut [MaybeUninit<Unit>], next: *mut Unit) -> *mut Unit {
    let count = block.len();
    if let Some(first) = block.first_mut() {
        first.write(Unit { next, count });
    }
    block.as_mut_ptr().cast()
}

/// Gives a block back to the list that handed it out.
fn put_back(list: &mut linked_list_allocator::Heap, block: Block) {
    let shape = Layout::for_value(block);
    // SAFETY: the list handed it out, with this size, and whoever had it gives it away here.
    unsafe { list.deallocate(NonNull::from(block).cast(), shape) };
}

/// Two blocks as one, or as they are if the second does not follow the first.
fn joined(first: Block, second: Block) -> Result<Block, (Block, Block)> {
    if !core::ptr::eq(first.as_ptr_range().end, second.as_ptr()) {
        return Err((first, second));
    }
    let units = first.len() + second.len();
    let start = core::ptr::with_exposed_provenance_mut(first.as_mut_ptr().addr());
    // SAFETY: both are parts of the room, which is one piece of memory that `begin` exposed, and nobody else has either.
    Ok(unsafe { core::slice::from_raw_parts_mut(start, units) })
}

/// Takes so many units from the beginning of a piece of the room that has as many.
fn split_off(piece: &mut Option<Block>, units: usize) -> Option<Block> {
    piece.as_deref()?.len().checked_sub(units)?;
    let (block, rest) = piece.take()?.split_at_mut_checked(units)?;
    *piece = Some(rest).filter(|rest| !rest.is_empty());
    Some(block)
}

/// A list of blocks. It owns them.
#[derive(Debug)]
struct Blocks(*mut Unit);

impl Blocks {
    fn push(&mut self, block: Block) {
        self.0 = linked(block, self.0);
    }

    /// Takes the first one out that is like this.
    #[cold]
    fn take_first(&mut self, is_wanted: &dyn Fn(&Block) -> bool) -> Option<Block> {
        let mut passed = Blocks(null_mut());
        let found = loop {
            match self.pop() {
                Some(block) if !is_wanted(&block) => passed.push(block),
                found => break found,
            }
        };
        while let Some(block) = passed.pop() {
            self.push(block);
        }
        found
    }

    fn pop(&mut self) -> Option<Block> {
        let first = NonNull::new(self.0)?;
        // SAFETY: `linked` wrote into the block, which is the list's since, how long it is. It is no longer the list's.
        unsafe {
            let Unit { next, count } = first.read();
            self.0 = next;
            Some(core::slice::from_raw_parts_mut(first.as_ptr().cast(), count))
        }
    }
}

struct State {
    /// What is left of the room. Blocks are taken from its beginning, and the last one can be given back to it, or grow into it.
    room: Option<Block>,
    /// The longest piece that was given back between blocks of the room, with what was given back beside it. It serves as the room does, and before it.
    gap: Option<Block>,
    /// Long pieces that were given back apart from the gap: each becomes the gap where neither it nor the room is long enough.
    apart: Blocks,
    /// See [`Heap::leave_room`].
    has_left_room: bool,
    list: linked_list_allocator::Heap,
    /// Blocks that were given back, by their size in units.
    kept: [Blocks; LARGEST_KEPT + 1],
    /// What is reserved and not usable, behind all that is.
    reserved: Mapping,
    /// The end of the reservation; 0 before there is one.
    end: usize,
}

impl core::fmt::Debug for Heap {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.places.fmt(out)
    }
}

impl Default for Heap {
    fn default() -> Heap {
        Heap::new()
    }
}

impl Heap {
    /// A heap without memory; it reserves its range when it is first asked and has no room left.
    pub const fn new() -> Heap {
        Heap {
            state: UnsafeCell::new(State {
                room: None,
                gap: None,
                apart: Blocks(null_mut()),
                has_left_room: false,
                list: linked_list_allocator::Heap::empty(),
                kept: [const { Blocks(null_mut()) }; LARGEST_KEPT + 1],
                reserved: Mapping::EMPTY,
                end: 0,
            }),
            holder: AtomicU64::new(0),
            left: AtomicPtr::new(null_mut()),
            spare: Mutex::new(linked_list_allocator::Heap::empty()),
            places: [const { [const { AtomicUsize::new(0) }; 2] }; 3],
            interrupted: AtomicBool::new(false),
            guarded: AtomicBool::new(false),
            exhausted: AtomicBool::new(false),
        }
    }

    /// Gives the heap room to begin in, and spare memory, before it is asked for anything.
    pub fn begin<const N: usize>(&self, [room, spare]: &'static mut [[MaybeUninit<Unit>; N]; 2]) {
        self.note(0, room.as_mut_ptr().expose_provenance(), size_of_val(room));
        self.note(SPARE, spare.as_mut_ptr().expose_provenance(), size_of_val(spare));
        self.with(|state| state.room = Some(room));
    }

    /// Whether a request could not be met: what a panic means then is that memory ran out.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// From now on the room is for what the list cannot give: each `dlopen` would cut what is left of it in other pieces.
    pub fn leave_room(&self) {
        self.with(|state| state.has_left_room = true);
    }

    /// From now on there are threads and signals.
    pub fn guard(&self) {
        self.guarded.store(true, Ordering::Release);
    }

    /// Takes the lock before a fork, so that the child finds the list whole. If that cannot be had, the child finds the lock taken, for good.
    pub fn hold(&self) {
        let took = self.take_within(PATIENCE_OF_FORK);
        // Where another thread has the lock, the mark is about that one.
        if self.is_own() {
            self.interrupted.store(!took, Ordering::Relaxed);
        }
    }

    /// Gives back what [`Heap::hold`] took, in the parent and in the child.
    pub fn release(&self) {
        // A fork in a signal handler that interrupted an edit: the edit goes on, in the child too, and gives the lock back itself.
        if self.is_own() && !self.interrupted.load(Ordering::Relaxed) {
            self.holder.store(0, Ordering::Release);
        }
    }

    /// What names the calling thread.
    #[inline(always)]
    fn own(&self) -> u64 {
        // During the start there is one thread, and it may have no pointer yet.
        match self.guarded.load(Ordering::Acquire) {
            true => machine::thread_pointer(),
            false => 1,
        }
    }

    /// Whether the calling thread has the lock.
    fn is_own(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == self.own()
    }

    /// Takes the lock; `false` when the calling thread has it already, or another one for too long.
    #[inline(always)]
    fn take_within(&self, looks: u32) -> bool {
        let own = self.own();
        match self
            .holder
            .compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => true,
            Err(holder) => holder != own && self.wait(own, looks),
        }
    }

    /// Takes the lock when it becomes free; `false` when it has not after so many looks.
    #[cold]
    fn wait(&self, own: u64, looks: u32) -> bool {
        (1..=looks).any(|look| {
            // The holder may need this processor.
            if look.is_multiple_of(64) {
                call::sched_yield();
            }
            core::hint::spin_loop();
            self.holder
                .compare_exchange_weak(0, own, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// Calls `body` with the list. `None` when this thread is in the middle of an edit, or another one stands still in it.
    fn with<T>(&self, body: impl FnOnce(&mut State) -> T) -> Option<T> {
        if !self.take_within(PATIENCE) {
            return None;
        }
        // SAFETY: this thread is the holder until the end of this function, and a handler in it does not come here.
        let state = unsafe { &mut *self.state.get() };
        let answer = body(state);
        if !self.left.load(Ordering::Relaxed).is_null() {
            state.take_back(Blocks(self.left.swap(null_mut(), Ordering::Acquire)));
        }
        self.holder.store(0, Ordering::Release);
        Some(answer)
    }

    /// Leaves a block for the thread that edits the lists.
    #[cold]
    fn leave(&self, block: Block) {
        let mut next = self.left.load(Ordering::Relaxed);
        while let Err(other) =
            self.left
                .compare_exchange(next, linked(block, next), Ordering::Release, Ordering::Relaxed)
        {
            next = other;
        }
    }

    /// The list of the spare memory. `None` when this thread is in the middle of an edit of it, or another one for too long.
    fn spare(&self) -> Option<MutexGuard<'_, linked_list_allocator::Heap>> {
        (0..PATIENCE).find_map(|_| self.spare.try_lock())
    }

    /// A block of the spare memory.
    #[cold]
    fn spared(&self, shape: Layout) -> Option<*mut u8> {
        let [.., [first, bytes]] = &self.places;
        let bytes = bytes.load(Ordering::Relaxed);
        let mut list = self.spare()?;
        if list.size() == 0 && bytes != 0 {
            let first = core::ptr::with_exposed_provenance_mut(first.load(Ordering::Relaxed));
            // SAFETY: `begin` was given the memory for this list, which begins here, once.
            unsafe { list.init(first, bytes) };
        }
        let block = list.allocate_first_fit(shape).ok()?;
        Some(block.as_ptr())
    }

    /// Takes back a block of the spare memory; it is lost in the middle of an edit of that.
    #[cold]
    fn give_spare_back(&self, block: Block) {
        if let Some(mut list) = self.spare() {
            put_back(&mut list, block);
        }
    }

    /// A block for a layout; null when there is no memory.
    #[inline(never)]
    fn block(&self, layout: Layout) -> *mut u8 {
        let shape = shape(layout);
        let from_list = |state: &mut State| {
            let block = self.listed(state, shape);
            // The range is full; elsewhere may be more.
            if block.is_null() {
                mapped(shape).unwrap_or(block)
            } else {
                block
            }
        };
        let mut attempts = 0..ATTEMPTS;
        let large = (shape.size() >= LARGE).then(|| mapped(shape)).flatten();
        let block = loop {
            let block = large.or_else(|| self.with(from_list)).or_else(|| mapped(shape));
            if let Some(block) = block.or_else(|| self.spared(shape)) {
                break block;
            }
            // For the list alone a handler would wait for ever, and so would the child of a fork whose holder is not in it; any other thread has nothing better to do.
            if self.is_own() || attempts.next().is_none() {
                break null_mut();
            }
        };
        if block.is_null() {
            self.exhausted.store(true, Ordering::Relaxed);
        }
        block
    }

    /// Whether the list has, or gets, a block of so many bytes, which is then free for whoever asks: it is taken and given back. Nothing vouches for mappings: where there is no more than those, the
    /// answer is no, but yes for a thread that cannot have the list, which gets a mapping for each of its blocks.
    pub fn has(&self, bytes: usize) -> bool {
        // A block has a unit at least, in which a list keeps it.
        let Ok(layout) = Layout::from_size_align(bytes.max(UNIT), UNIT) else {
            return false;
        };
        let shape = shape(layout);
        let is_there = self.with(|state| {
            let block = NonNull::new(self.listed(state, shape))?;
            // SAFETY: it was handed out with this shape, and nobody else has it.
            let block = unsafe { core::slice::from_raw_parts_mut(block.as_ptr().cast(), shape.size() / UNIT) };
            state.give_back(block, shape);
            Some(())
        });
        is_there != Some(None)
    }

    /// A block that was given back, or of the room, or of the list; null when that has none.
    fn listed(&self, state: &mut State, shape: Layout) -> *mut u8 {
        if let Some(block) = state.at_hand(shape) {
            return block.as_mut_ptr().cast();
        }
        let block = self.block_of_list(state, shape);
        if !block.is_null() {
            return block;
        }
        // Nothing, unless the room was left.
        state
            .take_from_room(shape)
            .map_or(block, |block| block.as_mut_ptr().cast())
    }

    /// A block of the list, which grows if it has none.
    #[inline(never)]
    fn block_of_list(&self, state: &mut State, shape: Layout) -> *mut u8 {
        let end = state.end;
        let block = state.allocate(shape);
        if end != state.end {
            // A range that could not grow yet has no list.
            let start = state.reserved.start().wrapping_sub(state.list.size());
            self.note(1, start, state.end.wrapping_sub(start));
        }
        block
    }

    /// Notes where the memory of the list of this index lies.
    fn note(&self, index: usize, start: usize, length: usize) {
        if let Some(place) = self.places.get(index) {
            let [first, bytes] = place;
            first.store(start, Ordering::Relaxed);
            bytes.store(length, Ordering::Relaxed);
        }
    }

    /// The index of the place of a block. `None` for a mapping of its own.
    fn place_of(&self, block: NonNull<u8>) -> Option<usize> {
        self.places.iter().position(|[first, bytes]| {
            block.addr().get().wrapping_sub(first.load(Ordering::Relaxed)) < bytes.load(Ordering::Relaxed)
        })
    }
}

impl State {
    fn reserve(&mut self) -> Option<()> {
        let mut size = RESERVE;
        self.reserved = loop {
            match Mapping::new(0, size, call::PROT_NONE, Content::RESERVED) {
                Ok(range) => break range,
                Err(_) if size > LEAST => size /= 2,
                Err(errno) => {
                    refused(errno);
                    return None;
                }
            }
        };
        self.end = self.reserved.start().checked_add(size)?;
        Some(())
    }

    /// Makes at least `bytes` more usable.
    fn grow(&mut self, bytes: usize) -> Option<()> {
        if self.end == 0 {
            self.reserve()?;
        }
        let wanted = bytes.checked_add(STEP)?.checked_next_multiple_of(STEP)?;
        // Where so much is refused, or is not left, what is asked for alone may not be.
        let least = bytes.next_multiple_of(PAGE);
        let memory = self.reserved.take_memory(wanted).or_else(|errno| {
            refused(errno);
            self.reserved.take_memory(least)
        });
        let memory = memory.ok()?;
        let length = memory.len();
        if self.list.size() == 0 {
            self.list = linked_list_allocator::Heap::from_slice(memory);
        } else {
            // SAFETY: the memory follows the list's directly, because all of it is taken from one reservation in order, and is given to it for good.
            unsafe { self.list.extend(length) };
        }
        Some(())
    }

    /// What is kept of blocks of this shape, if such blocks are kept.
    fn kept(&mut self, shape: Layout) -> Option<&mut Blocks> {
        self.kept.get_mut(shape.size() / UNIT).filter(|_| shape.align() == UNIT)
    }

    /// A block that was given back, or, as long as it is not left, of the room.
    #[inline(always)]
    fn at_hand(&mut self, shape: Layout) -> Option<Block> {
        let kept = self.kept(shape).and_then(Blocks::pop);
        match self.has_left_room {
            true => kept,
            false => kept.or_else(|| self.take_from_room(shape)),
        }
    }

    /// A block of the list.
    fn allocate(&mut self, shape: Layout) -> *mut u8 {
        let Some(bytes) = shape.size().checked_add(shape.align()) else {
            return null_mut();
        };
        loop {
            if let Ok(block) = self.list.allocate_first_fit(shape) {
                return block.as_ptr();
            }
            if self.grow(bytes).is_none() {
                return null_mut();
            }
        }
    }

    /// A block from the beginning of the gap, or else of the room.
    fn take_from_room(&mut self, shape: Layout) -> Option<Block> {
        let units = shape.size() / UNIT;
        let before = |piece: &[MaybeUninit<Unit>]| piece.as_ptr().addr().wrapping_neg() % shape.align() / UNIT;
        let fits = |piece: &Block| piece.len().checked_sub(before(piece)).is_some_and(|rest| rest >= units);
        let piece = match self.gap.as_ref().is_some_and(fits) {
            true => &mut self.gap,
            false if self.room.as_ref().is_some_and(fits) => &mut self.room,
            false => {
                let other = self.apart.take_first(&fits)?;
                let shorter = self.gap.replace(other);
                self.keep_apart(shorter);
                &mut self.gap
            }
        };
        let known = piece.as_ref()?;
        let skipped = match before(known) {
            0 => None,
            units => split_off(piece, units),
        };
        let block = split_off(piece, units);
        if let Some(skipped) = skipped {
            let shape = Layout::for_value(skipped);
            self.give_back(skipped, shape);
        }
        block
    }

    /// Makes the block that ends here this many units longer, if the gap or the room begins behind it and is as long.
    fn extend(&mut self, end: *const MaybeUninit<Unit>, more: usize) -> bool {
        let is_behind =
            |piece: &&mut Option<Block>| piece.as_ref().is_some_and(|piece| core::ptr::eq(end, piece.as_ptr()));
        let behind = [&mut self.gap, &mut self.room].into_iter().find(is_behind);
        behind.is_some_and(|piece| split_off(piece, more).is_some())
    }

    /// Takes a block of this shape back.
    fn give_back(&mut self, mut block: Block, shape: Layout) {
        if (self.list.bottom()..self.list.top()).contains(&block.as_mut_ptr().cast()) {
            match self.kept(shape) {
                Some(kept) => kept.push(block),
                None => put_back(&mut self.list, block),
            }
            return;
        }
        let mut gap = self.gap.take();
        if let Some(beside) = gap {
            (block, gap) = match joined(beside, block).or_else(|(gap, block)| joined(block, gap)) {
                Ok(both) => (both, None),
                Err((block, gap)) => (block, Some(gap)),
            };
        }
        if let Some(room) = self.room.take() {
            match joined(block, room) {
                Ok(room) => (self.room, self.gap) = (Some(room), gap),
                Err((block, room)) => {
                    self.room = Some(room);
                    self.keep_longer(block, gap);
                }
            }
        } else {
            self.keep_longer(block, gap);
        }
    }

    /// Has the longer of two pieces be the gap, and keeps the other one.
    fn keep_longer(&mut self, block: Block, gap: Option<Block>) {
        let shorter = match gap {
            Some(gap) if gap.len() >= block.len() => {
                self.gap = Some(gap);
                Some(block)
            }
            other => {
                self.gap = Some(block);
                other
            }
        };
        self.keep_apart(shorter);
    }

    /// Keeps a piece of the room by its size, or among the long ones.
    fn keep_apart(&mut self, piece: Option<Block>) {
        if let Some(block) = piece {
            self.kept.get_mut(block.len()).unwrap_or(&mut self.apart).push(block);
        }
    }

    /// Takes blocks back that were left by [`Heap::dealloc`].
    #[cold]
    fn take_back(&mut self, mut left: Blocks) {
        while let Some(block) = left.pop() {
            let shape = Layout::for_value(block);
            self.give_back(block, shape);
        }
    }
}

/// The shape of the block that is handed out for `layout`. One that does not fit into the address space stays as it is: no memory meets it.
fn shape(layout: Layout) -> Layout {
    layout.align_to(UNIT).unwrap_or(layout).pad_to_align()
}

/// A mapping for a block that is not to come from the list.
#[cold]
#[inline(never)]
fn mapped(shape: Layout) -> Option<*mut u8> {
    let length = mapped_length(shape.size());
    let words = (shape.align() <= PAGE).then(|| super::linux::allocate(length))??;
    let start = words.as_ptr().cast_mut().cast::<u8>();
    if length >= LARGER {
        // SAFETY: the contents stay as they are. A kernel that has no huge pages has small ones.
        let _ = unsafe { call::madvise(start.addr(), length, call::MADV_HUGEPAGE) };
    }
    Some(start)
}

/// The length of the mapping for a block of this size, in bytes.
fn mapped_length(size: usize) -> usize {
    match size {
        LARGER.. => size.checked_next_multiple_of(HUGE_PAGE).unwrap_or(size),
        _ => size,
    }
}

// SAFETY: whoever looks at the state is its holder.
unsafe impl Sync for Heap {}

// SAFETY: each byte has one owner, as the module's text says; the lock keeps the lists whole. What does not come from them is a mapping of its own.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.block(layout)
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return null_mut();
        };
        let (before, after) = (shape(layout).size(), shape(wanted).size());
        let is_long_enough = before == after
            || mapped_length(before) == mapped_length(after)
                && NonNull::new(block).is_some_and(|block| self.place_of(block).is_none())
            || before < after && {
                let end = block.wrapping_add(before).cast();
                self.with(|state| state.extend(end, (after - before) / UNIT)) == Some(true)
            };
        if is_long_enough {
            return block;
        }
        let other = self.block(wanted);
        if !other.is_null() {
            // SAFETY: both blocks have as many bytes, and the caller gives the former back.
            unsafe {
                block.copy_to_nonoverlapping(other, size.min(layout.size()));
                self.dealloc(block, layout);
            }
        }
        other
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(start) = NonNull::new(block) else { return };
        let shape = shape(layout);
        let Some(place) = self.place_of(start) else {
            // SAFETY: a mapping that `alloc` made for this block alone. One that cannot be given back stays.
            let _ = unsafe { call::munmap(start.addr().get(), mapped_length(shape.size())) };
            return;
        };
        // SAFETY: the caller's promise: handed out here for this layout, so with this shape, and used no longer.
        let block: Block = unsafe { core::slice::from_raw_parts_mut(block.cast(), shape.size() / UNIT) };
        if place == SPARE {
            return self.give_spare_back(block);
        }
        let mut block = Some(block);
        self.with(|state| block.take().map(|block| state.give_back(block, shape)));
        if let Some(block) = block {
            self.leave(block);
        }
    }
}

/// lode's heap.
pub static HEAP: Heap = Heap::new();

/// lode's heap as Rust's allocator.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: each is what the heap's own is.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe { HEAP.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { HEAP.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { HEAP.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 16).unwrap()
    }

    fn size() -> Layout {
        of(48)
    }

    /// Begins where an address of 256 bytes does, so that the same bytes are passed over in each run.
    #[repr(align(256))]
    struct Aligned<const UNITS: usize>([[MaybeUninit<Unit>; UNITS]; 2]);

    /// A room of so many units, and spare memory.
    fn memory<const UNITS: usize>() -> &'static mut [[MaybeUninit<Unit>; UNITS]; 2] {
        let memory = Aligned([const { [const { MaybeUninit::uninit() }; UNITS] }; 2]);
        &mut std::boxed::Box::leak(std::boxed::Box::new(memory)).0
    }

    /// Whether a block is no mapping of its own.
    fn is_held(heap: &Heap, block: *mut u8) -> bool {
        heap.place_of(NonNull::new(block).unwrap()).is_some()
    }

    /// Bytes that are free, in the list and among the kept blocks.
    fn free(heap: &Heap) -> usize {
        // SAFETY: the tests that ask have one thread.
        let state = unsafe { &*heap.state.get() };
        let room = [&state.room, &state.gap].into_iter().flatten();
        let mut free = state.list.free() + room.map(|piece| size_of_val(&**piece)).sum::<usize>();
        for kept in state.kept.iter().chain([&state.apart]) {
            let mut next = kept.0;
            while let Some(block) = NonNull::new(next) {
                // SAFETY: the heap wrote it.
                let block = unsafe { block.read() };
                free += block.count * UNIT;
                next = block.next;
            }
        }
        free
    }

    #[test]
    fn what_is_given_back_is_handed_out_again_for_its_size() {
        let heap = Heap::new();
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let blocks = [heap.alloc(size()), heap.alloc(size())];
            blocks.iter().for_each(|block| heap.dealloc(*block, size()));
            let other = heap.alloc(Layout::from_size_align(64, 8).unwrap());
            assert!(!blocks.contains(&other));
            let near = Layout::from_size_align(33, 1).unwrap();
            assert_eq!([heap.alloc(near), heap.alloc(size())], [blocks[1], blocks[0]]);
            let whole = Layout::from_size_align(100, 4096).unwrap();
            let page = heap.alloc(whole);
            assert_eq!(page.addr() % 4096, 0);
            heap.dealloc(page, whole);
        }
    }

    #[test]
    fn the_last_block_of_the_room_grows_in_place_and_goes_back() {
        let heap = Heap::new();
        heap.begin(memory::<64>());
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let first = heap.alloc(size());
            let last = heap.alloc(size());
            assert_eq!(last.addr() - first.addr(), 48);
            assert_eq!(heap.realloc(last, size(), 100), last);
            let other = heap.realloc(first, size(), 100);
            assert_eq!(other.addr() - last.addr(), 112);
            heap.dealloc(other, of(100));
            assert_eq!(heap.alloc(of(500)), other);
            // The room is full.
            let outside = heap.alloc(of(500));
            assert!(is_held(&heap, outside) && outside.addr().abs_diff(first.addr()) > 1024);
        }
    }

    #[test]
    fn what_goes_back_between_blocks_of_the_room_is_handed_out_in_any_size() {
        let heap = Heap::new();
        heap.begin(memory::<1024>());
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let before = heap.alloc(of(64));
            let small = heap.alloc(of(32));
            // Longer than what is kept by its size.
            let long = heap.alloc(of(16 * (LARGEST_KEPT + 1)));
            let beside = heap.alloc(of(48));
            let last = heap.alloc(of(16));
            let all = free(&heap);
            heap.dealloc(long, of(16 * (LARGEST_KEPT + 1)));
            // A shorter one that is apart is kept, and handed out for its size only.
            heap.dealloc(before, of(64));
            assert_eq!(heap.alloc(of(64)), before);
            // What is beside the gap becomes part of it, on either side.
            heap.dealloc(beside, of(48));
            heap.dealloc(small, of(32));
            let first = heap.alloc(of(100));
            assert_eq!(first, small);
            // It grows into the gap.
            assert_eq!(heap.realloc(first, of(100), 200), first);
            let aligned = heap.alloc(Layout::from_size_align(256, 256).unwrap());
            assert!(aligned.addr().is_multiple_of(256) && (first.addr()..last.addr()).contains(&aligned.addr()));
            // What is longer than the gap is the room's.
            assert!(heap.alloc(of(3000)).addr() > last.addr());
            // All of the gap, which is no more then, and nobody's twice.
            let rest = last.addr() - aligned.addr() - 256;
            assert_eq!(heap.alloc(of(rest)).addr(), aligned.addr() + 256);
            assert!(heap.alloc(of(512)).addr() > last.addr());
            heap.dealloc(last, of(16));
            assert_eq!(heap.alloc(of(16)), last);
            assert!(free(&heap) < all);
        }
    }

    #[test]
    fn long_pieces_apart_are_handed_out_when_the_room_is_used_up() {
        let heap = Heap::new();
        heap.begin(memory::<2048>());
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let blocks = [(); 5].map(|()| (heap.alloc(of(4096)), heap.alloc(of(16))).0);
            let rest = heap.alloc(of(2048 * 16 - 5 * (4096 + 16)));
            assert!(is_held(&heap, rest) && free(&heap) == 0);
            for _ in 0..100 {
                for block in [blocks[3], blocks[1], blocks[4]] {
                    heap.dealloc(block, of(4096));
                }
                assert_eq!(free(&heap), 3 * 4096);
                let mut again = [(); 3].map(|()| heap.alloc(of(4096)));
                assert_eq!(free(&heap), 0);
                again.sort();
                assert_eq!(again, [blocks[1], blocks[3], blocks[4]]);
            }
        }
    }

    #[test]
    fn the_room_that_was_left_is_for_what_the_list_cannot_give() {
        let heap = Heap::new();
        heap.begin(memory::<1024>());
        let place = |block| heap.place_of(NonNull::new(block).unwrap());
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let first = heap.alloc(of(100));
            assert_eq!(place(first), Some(0));
            heap.leave_room();
            heap.dealloc(first, of(100));
            let second = heap.alloc(of(200));
            assert_eq!(place(second), Some(1));
            assert!(heap.has(1000));
            let left = free(&heap);
            // Blocks of any sizes, again and again: they leave nothing behind.
            for call in 0..1000usize {
                let shapes = [(); 20].map(|()| call).map(|call| of(2048 + call * 37 % 1900));
                let blocks = shapes.map(|shape| heap.alloc(shape));
                blocks
                    .into_iter()
                    .zip(shapes)
                    .for_each(|(block, shape)| heap.dealloc(block, shape));
            }
            assert_eq!(free(&heap), left);
            // Where the range is full, there is the room.
            (*heap.state.get()).list = linked_list_allocator::Heap::empty();
            (*heap.state.get()).reserved = Mapping::EMPTY;
            assert_eq!(place(heap.alloc(of(5000))), Some(0));
            assert!(!is_held(&heap, heap.alloc(of(50_000))));
        }
    }

    #[test]
    fn a_gap_that_reaches_the_room_is_the_room_again() {
        let heap = Heap::new();
        heap.begin(memory::<64>());
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let blocks = [(); 3].map(|()| heap.alloc(size()));
            for block in [blocks[0], blocks[1], blocks[2]] {
                heap.dealloc(block, size());
            }
            assert_eq!(free(&heap), 1024);
            let whole = of(1024);
            assert_eq!(heap.alloc(whole), blocks[0]);
            heap.dealloc(blocks[0], whole);
            // The room was full, and is a gap now.
            assert_eq!((free(&heap), heap.alloc(size())), (1024, blocks[0]));
        }
    }

    #[test]
    fn what_is_at_hand_is_in_the_list_in_one_piece() {
        let heap = Heap::new();
        for bytes in [0, 3 * LARGE, 1000, 20 * LARGE] {
            assert!(heap.has(bytes));
            // SAFETY: there is one thread.
            let state = unsafe { &mut *heap.state.get() };
            let shape = Layout::from_size_align(bytes.max(UNIT), UNIT).unwrap();
            let end = state.end - state.reserved.length();
            let block = NonNull::new(state.allocate(shape)).unwrap();
            assert_eq!(state.end - state.reserved.length(), end);
            // SAFETY: it was handed out with this shape.
            unsafe { state.list.deallocate(block, shape) };
        }
        assert!(!heap.has(RESERVE) && heap.has(LARGE));
    }

    #[test]
    fn a_range_that_could_not_grow_takes_no_mapping_for_its_own() {
        let heap = Heap::new();
        assert!(!heap.has(RESERVE + 1));
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            // Below the range, as the kernel places it.
            let mapping = heap.alloc(of(300 << 20));
            assert!(!is_held(&heap, mapping));
            heap.dealloc(mapping, of(300 << 20));
            let small = heap.alloc(of(100));
            assert!(is_held(&heap, small));
            heap.dealloc(small, of(100));
        }
    }

    #[test]
    fn where_the_range_is_full_blocks_are_mappings() {
        let heap = Heap::new();
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let blocks: std::vec::Vec<_> = (0..=RESERVE / 100_000).map(|_| heap.alloc(of(100_000))).collect();
            let held = |block: &&*mut u8| is_held(&heap, **block);
            assert!(blocks.iter().filter(held).count() > 500);
            let last = *blocks.last().unwrap();
            assert!(!is_held(&heap, last));
            last.write_bytes(1, 100_000);
            blocks.iter().for_each(|block| heap.dealloc(*block, of(100_000)));
            let all = heap.alloc(of(100_000));
            assert!(is_held(&heap, all));
        }
    }

    #[test]
    fn a_mapping_whose_length_stays_is_not_copied() {
        let heap = Heap::new();
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let block = heap.alloc(of(LARGER));
            assert_eq!(heap.realloc(block, of(LARGER), HUGE_PAGE), block);
            block.add(HUGE_PAGE - 1).write(7);
            assert_eq!(heap.realloc(block, of(HUGE_PAGE), LARGER), block);
            let longer = heap.realloc(block, of(LARGER), HUGE_PAGE + 1);
            assert!(longer != block);
            let small = heap.realloc(longer, of(HUGE_PAGE + 1), 100);
            assert!(is_held(&heap, small));
            heap.dealloc(small, of(100));
        }
    }

    #[test]
    fn a_handler_that_interrupts_an_edit_gets_a_mapping_and_leaves_what_it_gives_back() {
        let heap = Heap::new();
        heap.guard();
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let first = heap.alloc(size());
            let before = free(&heap);
            assert!(heap.take_within(1));
            let second = heap.alloc(size());
            assert!(!second.is_null() && !is_held(&heap, second));
            heap.dealloc(first, size());
            heap.dealloc(second, size());
            assert_eq!(free(&heap), before);
            heap.release();
            let third = heap.alloc(size());
            assert!(is_held(&heap, third));
            assert_eq!(free(&heap), before);
            heap.dealloc(third, size());
            assert_eq!(free(&heap), before + 48);
        }
    }

    #[test]
    fn what_has_neither_the_list_nor_a_mapping_is_spare() {
        let heap = Heap::new();
        assert_eq!(heap.spared(size()), None);
        heap.begin(memory::<1024>());
        heap.guard();
        // There is no mapping with such an alignment.
        let whole = Layout::from_size_align(100, 2 * PAGE).unwrap();
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            assert!(heap.take_within(1));
            for _ in 0..1000 {
                let lasting = heap.alloc(whole);
                let place = heap.place_of(NonNull::new(lasting).unwrap());
                assert_eq!((place, lasting.addr() % whole.align()), (Some(SPARE), 0));
                let other = heap.spared(size()).unwrap();
                heap.dealloc(lasting, whole);
                heap.dealloc(other, size());
            }
            assert_eq!(heap.spared(Layout::from_size_align(1025 * UNIT, 1).unwrap()), None);
            // In the middle of an edit of the spare memory too.
            let last = heap.spared(size()).unwrap();
            let edit = heap.spare().unwrap();
            assert!(heap.alloc(whole).is_null());
            heap.dealloc(last, size());
            drop(edit);
            heap.release();
        }
    }

    #[test]
    fn a_thread_that_stands_still_in_an_edit_holds_up_no_other() {
        let heap = Heap::new();
        heap.guard();
        // SAFETY: blocks are given back once, with the layout that they were asked for with.
        unsafe {
            let first = heap.alloc(size());
            let before = free(&heap);
            assert!(heap.take_within(1));
            let own = first.expose_provenance();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let second = heap.alloc(size());
                    assert!(!second.is_null() && !is_held(&heap, second));
                    let other = heap.realloc(second, size(), 9000);
                    heap.dealloc(other, of(9000));
                    heap.dealloc(core::ptr::with_exposed_provenance_mut(own), size());
                    // A fork, of which the child finds the lock taken and does without the list.
                    heap.hold();
                    heap.release();
                    assert!(!heap.take_within(1));
                });
            });
            assert!(heap.is_own());
            assert_eq!(free(&heap), before);
            heap.release();
            let third = heap.alloc(size());
            assert!(is_held(&heap, third));
            assert_eq!(free(&heap), before);
        }
    }

    #[test]
    fn threads_do_not_get_one_block_twice() {
        let heap = Heap::new();
        heap.guard();
        let work = |byte: u8| {
            for round in 1..500usize {
                let shape = Layout::from_size_align(round % 300 + 1, 8).unwrap();
                // SAFETY: a block of that size, given back once.
                unsafe {
                    let block = heap.alloc(shape);
                    block.write_bytes(byte, shape.size());
                    assert!((0..shape.size()).all(|at| block.add(at).read() == byte));
                    heap.dealloc(block, shape);
                }
            }
        };
        std::thread::scope(|scope| {
            for byte in 0..4 {
                scope.spawn(move || work(byte));
            }
        });
    }
}
