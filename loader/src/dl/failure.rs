//! `dlerror`: the last failure of each thread.
//!
//! # Safety
//! Each thread has one word below its thread pointer, which holds null or a box that this file made.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use core::ffi::c_char;
use core::sync::atomic::{AtomicU64, Ordering};

use super::runtime;
use crate::error::Error;
use crate::event::{Event, Interest};
use crate::sys::machine;

/// Distance below the thread pointer of the word that holds the address of the thread's dlerror text ([`crate::tls::TlsPlan::own`]).
static OWN_WORDS: AtomicU64 = AtomicU64::new(0);

/// Says where lode's words of each thread are. Called once, before there is a second thread.
pub fn set_own_words(distance: u64) {
    OWN_WORDS.store(distance, Ordering::Relaxed);
}

fn slot_of(pointer: u64) -> *mut *mut Failure {
    pointer.wrapping_sub(OWN_WORDS.load(Ordering::Relaxed)) as *mut *mut Failure
}

/// The last failure of a thread.
struct Failure {
    /// Ends in NUL.
    text: String,
    /// `dlerror` returned it already.
    told: bool,
}

fn failure_slot() -> *mut *mut Failure {
    slot_of(machine::thread_pointer())
}

/// Says what failed: to whoever reads events, and to `dlerror`.
#[cold]
#[inline(never)]
pub(super) fn set_failure(error: &Error) {
    if let Some(runtime) = runtime() {
        runtime.log.emit(Interest::FILES, || Event::Failed(error));
    }
    // A C string: `Lossy` shows a NUL in a name as text.
    let text = crate::error::text(format_args!("{error}\0"));
    let failure = Box::into_raw(Box::new(Failure { text, told: false }));
    // SAFETY: the slot is the calling thread's own; it holds null or a box that this file made.
    let old = unsafe { core::ptr::replace(failure_slot(), failure) };
    free_failure(old);
}

fn free_failure(failure: *mut Failure) {
    if !failure.is_null() {
        // SAFETY: made by `Box::into_raw` in `set_failure`, taken out of its slot.
        drop(unsafe { Box::from_raw(failure) });
    }
}

/// Gives back what a dead thread left in its slot.
pub fn forget_thread(pointer: u64) {
    // SAFETY: nobody runs on the thread; its slot is readable as long as its stack is.
    let old = unsafe { core::ptr::replace(slot_of(pointer), core::ptr::null_mut()) };
    free_failure(old);
}

/// Empties the slot of a thread that has not run, whatever its stack held before.
pub fn clear_thread(pointer: u64) {
    // SAFETY: as in `forget_thread`.
    unsafe { slot_of(pointer).write(core::ptr::null_mut()) };
}

/// `dlerror(3)`.
pub extern "C" fn dlerror() -> *const c_char {
    // SAFETY: the calling thread's own slot.
    unsafe {
        let slot = failure_slot();
        match slot.read().as_mut() {
            None => core::ptr::null(),
            Some(failure) if failure.told => {
                free_failure(core::ptr::replace(slot, core::ptr::null_mut()));
                core::ptr::null()
            }
            Some(failure) => {
                failure.told = true;
                failure.text.as_ptr().cast()
            }
        }
    }
}
