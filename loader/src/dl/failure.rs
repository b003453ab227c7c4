//! `dlerror`: the last failure of each thread.
//!
//! A signal handler may fail, and ask why, between any two instructions, so a text has one owner: who swapped it out of the slot.
//!
//! # Safety
//! Each thread has two words of lode's below its thread pointer: the first holds null or a box that this file made.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use core::ffi::c_char;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

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

fn slot_of(pointer: u64) -> &'static AtomicPtr<Failure> {
    let slot = pointer.wrapping_sub(OWN_WORDS.load(Ordering::Relaxed));
    // SAFETY: an aligned word of static TLS, lode's own, which lives as long as the thread; nobody keeps the reference for longer.
    unsafe { AtomicPtr::from_ptr(slot as *mut *mut Failure) }
}

/// The second of lode's words of a thread, for [`super::locks`].
pub(super) fn second_word(pointer: u64) -> &'static AtomicU64 {
    let word = pointer.wrapping_sub(OWN_WORDS.load(Ordering::Relaxed)) as *mut u64;
    // SAFETY: as in `slot_of`; there are two words.
    unsafe { AtomicU64::from_ptr(word.add(1)) }
}

/// The last failure of a thread.
struct Failure {
    /// Ends in NUL.
    text: String,
    /// `dlerror` returned it already.
    told: bool,
}

fn failure_slot() -> &'static AtomicPtr<Failure> {
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
    let text = crate::error::text(format_args!("{error:#}\0"));
    let failure = Box::into_raw(Box::new(Failure { text, told: false }));
    free_failure(failure_slot().swap(failure, Ordering::Relaxed));
}

fn free_failure(failure: *mut Failure) {
    if !failure.is_null() {
        // SAFETY: made by `Box::into_raw` in `set_failure`, taken out of its slot.
        drop(unsafe { Box::from_raw(failure) });
    }
}

/// A call that succeeds takes the thread's former failure back.
pub(super) fn forget() {
    if !failure_slot().load(Ordering::Relaxed).is_null() {
        forget_thread(machine::thread_pointer());
    }
}

/// Gives back what a dead thread left in its slot. Nobody runs on it, and its stack is still there.
pub fn forget_thread(pointer: u64) {
    free_failure(slot_of(pointer).swap(core::ptr::null_mut(), Ordering::Relaxed));
}

/// Empties the words of a thread that has not run, whatever its stack held before.
pub fn clear_thread(pointer: u64) {
    second_word(pointer).store(0, Ordering::Relaxed);
    slot_of(pointer).store(core::ptr::null_mut(), Ordering::Relaxed);
}

/// `dlerror(3)`. The text stays until the thread's next call of the family.
pub extern "C" fn dlerror() -> *const c_char {
    let slot = failure_slot();
    let failure = slot.swap(core::ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: a box that `set_failure` made, out of its slot.
    let Some(known) = (unsafe { failure.as_mut() }) else {
        return core::ptr::null();
    };
    if core::mem::replace(&mut known.told, true) {
        free_failure(failure);
        return core::ptr::null();
    }
    let text = known.text.as_ptr().cast();
    // What a handler left meanwhile goes: it has had its answer.
    free_failure(slot.swap(failure, Ordering::Relaxed));
    text
}
