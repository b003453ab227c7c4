//! lode's heap: one contiguous range, reserved once and made usable as it grows.
//!
//! Everything lives in one range because `linked_list_allocator` manages one, and because memory that belongs to lode can then be told from
//! the program's by its address. The lock is held for list edits only; while it is held signals are blocked (once the program runs), so
//! that a handler that comes back into lode in the same thread cannot wait for itself.
//!
//! # Safety
//! The range is lode's alone. Blocks are handed out by the allocator, which keeps them apart.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crt::syscall as call;
use spin::Mutex;

/// Address space that the heap may grow into, in bytes. Halved until it fits under RLIMIT_AS.
const RESERVE: usize = 64 << 20;

/// Least address space that lode starts with, in bytes.
const LEAST: usize = 256 << 10;

/// Bytes made usable at a time.
const STEP: usize = 256 << 10;

/// The heap, to be made the global allocator by the binary.
#[derive(Debug)]
pub struct Heap {
    state: Mutex<State>,
    /// Signals may arrive: the program runs.
    guarded: AtomicBool,
    /// A request could not be met.
    exhausted: AtomicBool,
    /// The signal mask of the thread that holds the lock over a fork.
    mask: AtomicU64,
}

struct State {
    list: linked_list_allocator::Heap,
    /// First address that is reserved but not usable, and the end of the reservation.
    next: usize,
    end: usize,
}

impl core::fmt::Debug for State {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "{:#x} to {:#x}", self.next, self.end)
    }
}

impl Default for Heap {
    fn default() -> Heap {
        Heap::new()
    }
}

impl Heap {
    /// A heap without memory; it reserves its range when it is first asked.
    pub const fn new() -> Heap {
        Heap {
            state: Mutex::new(State {
                list: linked_list_allocator::Heap::empty(),
                next: 0,
                end: 0,
            }),
            guarded: AtomicBool::new(false),
            mask: AtomicU64::new(0),
            exhausted: AtomicBool::new(false),
        }
    }

    /// Whether a request could not be met: what a panic means then is that memory ran out.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// From now on signals are blocked while the heap is edited.
    pub fn guard(&self) {
        self.guarded.store(true, Ordering::Release);
    }

    /// Takes the lock before a fork, so that the child finds the list whole. Signals stay blocked until [`Heap::release`].
    pub fn hold(&self) {
        if let Ok(mask) = call::signal_mask(call::SIG_SETMASK, u64::MAX) {
            self.mask.store(mask, Ordering::Relaxed);
        }
        core::mem::forget(self.state.lock());
    }

    /// Gives back what [`Heap::hold`] took, in the parent and in the child.
    pub fn release(&self) {
        let mask = self.mask.load(Ordering::Relaxed);
        // SAFETY: `hold` took it in this thread.
        unsafe { self.state.force_unlock() };
        // Restoring a mask that the kernel gave cannot fail.
        let _ = call::signal_mask(call::SIG_SETMASK, mask);
    }

    fn with<T>(&self, body: impl FnOnce(&mut State) -> T) -> T {
        let blocked = self
            .guarded
            .load(Ordering::Acquire)
            .then(|| call::signal_mask(call::SIG_SETMASK, u64::MAX));
        let answer = {
            let mut spins = 0u32;
            let mut state = loop {
                if let Some(state) = self.state.try_lock() {
                    break state;
                }
                // The holder may need this processor.
                spins = spins.wrapping_add(1);
                if spins.is_multiple_of(64) {
                    call::sched_yield();
                }
                core::hint::spin_loop();
            };
            body(&mut state)
        };
        if let Some(Ok(mask)) = blocked {
            // Restoring a mask that the kernel gave cannot fail.
            let _ = call::signal_mask(call::SIG_SETMASK, mask);
        }
        answer
    }
}

impl State {
    fn reserve(&mut self) -> Option<()> {
        let mut size = RESERVE;
        let flags = call::MAP_PRIVATE | call::MAP_ANONYMOUS | call::MAP_NORESERVE;
        let start = loop {
            // SAFETY: a new mapping, wherever the kernel likes.
            match unsafe { call::mmap(0, size, call::PROT_NONE, flags, -1, 0) } {
                Ok(start) => break start,
                Err(_) if size > LEAST => size /= 2,
                Err(_) => return None,
            }
        };
        self.next = start;
        self.end = start.checked_add(size)?;
        Some(())
    }

    /// Makes at least `bytes` more usable.
    fn grow(&mut self, bytes: usize) -> Option<()> {
        let first = self.end == 0;
        if first {
            self.reserve()?;
        }
        let wanted = bytes.checked_add(STEP)?.checked_next_multiple_of(STEP)?;
        let length = wanted.min(self.end - self.next);
        if length < bytes || length == 0 {
            return None;
        }
        // SAFETY: pages of the reservation that nobody uses yet.
        unsafe { call::mprotect(self.next, length, call::PROT_READ | call::PROT_WRITE) }.ok()?;
        if first {
            // SAFETY: the range is usable, stays, and is lode's alone.
            unsafe { self.list.init(self.next as *mut u8, length) };
        } else {
            // SAFETY: the range follows the heap's directly and has just become usable.
            unsafe { self.list.extend(length) };
        }
        self.next += length;
        Some(())
    }

    fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if self.end != 0
            && let Ok(block) = self.list.allocate_first_fit(layout)
        {
            return block.as_ptr();
        }
        let Some(bytes) = layout.size().checked_add(layout.align()) else {
            return null_mut();
        };
        if self.grow(bytes).is_none() {
            return null_mut();
        }
        match self.list.allocate_first_fit(layout) {
            Ok(block) => block.as_ptr(),
            Err(()) => null_mut(),
        }
    }
}

// SAFETY: blocks come from `linked_list_allocator`, which gives each byte to one owner; the lock keeps its list whole.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.with(|state| state.allocate(layout));
        if block.is_null() {
            self.exhausted.store(true, Ordering::Relaxed);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        // SAFETY: the caller's promise: allocated here with this layout.
        self.with(|state| unsafe { state.list.deallocate(block, layout) });
    }
}
