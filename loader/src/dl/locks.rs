//! Who may change what is loaded, and what a `fork` has to find whole.
//!
//! The long lock is libc's own recursive mutex where there is a libc, because `fork` resets that in the child. A call that comes in while
//! the same thread is in the middle of loading (from a resolver, from a signal handler) is refused with a text.
//!
//! # Safety
//! Calls libc's functions on libc's mutex, both found by name in a relocated libc.
#![allow(unsafe_code)]

use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, Ordering};

use super::close::{CLOSED_MEANWHILE, CLOSING, LEFT_BEHIND};
use super::failure;
use super::published::forget_readers;
use super::with_glibc;
use crate::elf::Address;
use crate::error::{Fault, Kind};
use crate::sys::machine;
use crate::thread;

/// The thread, by its pointer, whose batch is between its first mapping and its publication; 0 when there is none.
pub(super) static LOADING: AtomicU64 = AtomicU64::new(0);

/// The lock that orders operations which load. Recursive.
pub(super) struct LongLock(Option<(Address, u64)>);

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
}

impl Drop for LongLock {
    fn drop(&mut self) {
        if let Some((unlock, mutex)) = self.0 {
            call_mutex(unlock, mutex);
        }
    }
}

/// Calls `function`, unless this thread is inside such a call already: then this is a signal handler, deeper in the stack. A mark that a handler
/// left by a jump stays until this thread calls from less deep in its stack. A handler on an alternate stack above the thread's own is not seen.
fn call_mutex(function: Address, mutex: u64) -> bool {
    let here = 0u8;
    let place = (&raw const here) as u64;
    let word = thread_word();
    let inside = word.load(Ordering::Relaxed);
    if inside & PLACE > place {
        return false;
    }
    word.store(inside & !PLACE | place, Ordering::Relaxed);
    // SAFETY: libc's pthread_mutex_lock or pthread_mutex_unlock, found by name and relocated, and libc's own mutex.
    let function: extern "C" fn(u64) -> c_int = unsafe { core::mem::transmute(function.0 as usize) };
    function(mutex);
    word.fetch_and(!PLACE, Ordering::Relaxed);
    true
}

/// What of [`thread_word`] is the place in the stack from which libc's mutex is called. Above it are the numbers of [`super::published::Visiting`].
pub(super) const PLACE: u64 = (1 << 48) - 1;

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
