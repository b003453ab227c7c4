//! Who may change what is loaded, and what a `fork` has to find whole.
//!
//! The long lock is libc's own recursive mutex where there is a libc, because `fork` resets that in the child. A call that comes in while
//! the same thread is in the middle of loading (from a resolver, from a signal handler) is refused with a text.
//!
//! # Safety
//! Reads the words of libc's mutex, which is found by the row of that libc.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::close::{CLOSED_MEANWHILE, CLOSING, LEFT_BEHIND};
use super::failure;
use super::published::forget_readers;
use super::with_glibc;
use crate::error::{Fault, Kind};
use crate::foreign::Code;
use crate::sys::machine;
use crate::thread;

/// The thread, by its pointer, whose batch is between its first mapping and its publication; 0 when there is none.
pub(super) static LOADING: AtomicU64 = AtomicU64::new(0);

/// The lock that orders operations which load. Recursive.
pub(super) struct LongLock(Option<(Code, u64)>);

impl LongLock {
    /// `None` for a signal handler that interrupted its own thread inside libc's mutex, which is not recursive there.
    pub(super) fn take() -> Option<LongLock> {
        let Some((lock, unlock, mutex)) = with_glibc(|glibc| {
            let global = glibc.global?;
            let mutex = global.address_of(glibc.layout.rtld_global.dl_load_lock)?;
            Some((glibc.functions.mutex_lock?, glibc.functions.mutex_unlock?, mutex))
        })
        .flatten() else {
            return Some(LongLock(None));
        };
        call_mutex(lock, mutex).then_some(LongLock(Some((unlock, mutex))))
    }

    /// Whether this thread had it already: it comes from a constructor, a destructor, or a signal handler.
    pub(super) fn is_nested(&self) -> bool {
        self.0.is_some_and(|(_, mutex)| word_of(mutex, COUNT) > 1)
    }
}

impl Drop for LongLock {
    fn drop(&mut self) {
        if let Some((unlock, mutex)) = self.0 {
            call_mutex(unlock, mutex);
        }
    }
}

/// Calls `function`, unless this is a signal handler that would wait for its own thread: [`INSIDE`] says that it interrupted such a call, and the
/// mutex is taken without an owner (it has become one's, or ceases to be). A jump out of a handler leaves the mark behind; so a mutex that
/// another thread is taking right now is looked at again, until that is done.
fn call_mutex(function: Code, mutex: u64) -> bool {
    const LOOKS: u32 = 100;
    let word = thread_word();
    let before = word.load(Ordering::Relaxed);
    if before & INSIDE != 0 && (0..LOOKS).all(|_| is_between(mutex)) {
        return false;
    }
    word.store(before | INSIDE, Ordering::Relaxed);
    function.call([mutex as usize, 0, 0, 0]);
    word.store(before, Ordering::Relaxed);
    true
}

/// Whether a recursive mutex is taken, but either the number of times is 0 or there is no owner. What takes it writes lock, number and owner in this
/// order; what frees it, number, owner and lock (`bits/struct_mutex.h`, part of the ABI; the order is that of glibc 2.31 to 2.43).
fn is_between(mutex: u64) -> bool {
    let is_between = word_of(mutex, LOCK) != 0 && (word_of(mutex, COUNT) == 0 || word_of(mutex, OWNER) == 0);
    if is_between {
        crt::syscall::sched_yield();
    }
    is_between
}

/// Words of a mutex.
const LOCK: usize = 0;
/// How often a recursive one is taken.
const COUNT: usize = 1;
/// By whom.
const OWNER: usize = 2;

#[inline(always)]
fn word_of(mutex: u64, index: usize) -> u32 {
    // SAFETY: one of the first three words of libc's own mutex, which other threads change in one instruction each.
    unsafe { AtomicU32::from_ptr((mutex as *mut u32).add(index)) }.load(Ordering::SeqCst)
}

/// The bit of [`thread_word`] that says that libc's mutex is being called. Above it are the numbers of [`super::published::Visiting`].
pub(super) const INSIDE: u64 = 1;

/// The second of lode's words of the calling thread.
pub(super) fn thread_word() -> &'static AtomicU64 {
    failure::second_word(machine::thread_pointer())
}

/// A batch is being loaded by this thread: whatever of the program runs meanwhile (resolvers, signal handlers) cannot load.
#[derive(Debug)]
pub struct Loading;

impl Loading {
    /// Called with the long lock held. Another thread's mark is one that `fork` left behind: that thread is not in this process.
    ///
    /// # Errors
    /// [`Kind::Busy`] when this thread is loading already.
    pub fn start() -> core::result::Result<Loading, Fault> {
        let thread = machine::thread_pointer();
        if LOADING.swap(thread, Ordering::Acquire) == thread {
            return Err(Kind::Busy.into());
        }
        Ok(Loading)
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        LOADING.store(0, Ordering::Release);
    }
}

/// In the child of a fork, where no other thread is: their readers are not here either. A batch that such a thread has not published is a leak,
/// never a corruption.
pub fn in_the_child() {
    forget_readers();
    let thread = machine::thread_pointer();
    if LOADING.load(Ordering::Relaxed) == thread || CLOSING.load(Ordering::Relaxed) == thread {
        return;
    }
    LOADING.store(0, Ordering::Relaxed);
    CLOSED_MEANWHILE.store(false, Ordering::Relaxed);
    if CLOSING.swap(0, Ordering::Relaxed) != 0 {
        LEFT_BEHIND.store(true, Ordering::Relaxed);
        // That thread may have published a world without saying that TLS numbers are free.
        thread::GENERATION.fetch_add(1, Ordering::SeqCst);
    }
}
