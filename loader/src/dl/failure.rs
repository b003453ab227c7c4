//! `dlerror`: the last failure of each thread.
//!
//! A signal handler may fail, and ask why, between any two instructions, so a text has one owner: who swapped it out of the slot.
//!
//! # Safety
//! Each thread has two words of lode's below its thread pointer.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ffi::c_char;
use core::sync::atomic::{AtomicU64, Ordering};

use super::owned::AtomicBox;
use super::runtime;
use crate::error::Error;
use crate::event::{Event, Interest};
use crate::sys::machine;

/// Distance of [`OwnWords`] below the thread pointer ([`crate::tls::TlsPlan::own`]).
static OWN_WORDS: AtomicU64 = AtomicU64::new(0);

/// Says where lode's words of each thread are. Called once, before there is a second thread.
pub fn set_own_words(distance: u64) {
    OWN_WORDS.store(distance, Ordering::Relaxed);
}

/// What lode has in each thread.
#[repr(C)]
struct OwnWords {
    /// Its last failure.
    failure: AtomicBox<Error>,
    second: AtomicU64,
}

fn words_of(pointer: u64) -> &'static OwnWords {
    let words = pointer.wrapping_sub(OWN_WORDS.load(Ordering::Relaxed));
    // SAFETY: two aligned words of static TLS, lode's own, which live as long as the thread; nobody keeps the reference for longer. Any bits are such
    // words; those of a thread that has not run are reset before they are believed.
    unsafe { &*(words as *const OwnWords) }
}

/// The second of lode's words of a thread, for [`super::locks`].
pub(super) fn second_word(pointer: u64) -> &'static AtomicU64 {
    &words_of(pointer).second
}

fn own_failure() -> &'static AtomicBox<Error> {
    &words_of(machine::thread_pointer()).failure
}

/// Says what failed: to whoever reads events, and to `dlerror`.
#[cold]
#[inline(never)]
pub(super) fn set_failure(error: Box<Error>) {
    if let Some(runtime) = runtime() {
        runtime.log.emit(Interest::FILES, || Event::Failed(&error));
    }
    let _former = own_failure().swap(Some(error));
    // musl tells of the end of a thread only where it is asked to, and until then this stays.
    super::musl::announce_thread();
}

/// A call that succeeds takes the thread's former failure back.
pub(super) fn forget() {
    if !own_failure().is_empty() {
        forget_thread(machine::thread_pointer());
    }
}

/// Gives back what a dead thread left in its slot. Nobody runs on it, and its stack is still there.
pub fn forget_thread(pointer: u64) {
    let _former = words_of(pointer).failure.swap(None);
}

/// Empties the words of a thread that has not run, whatever its stack held before.
pub fn clear_thread(pointer: u64) {
    let words = words_of(pointer);
    words.second.store(0, Ordering::Relaxed);
    words.failure.reset();
}

/// `dlerror(3)`. The text stays until the thread's next call of the family.
pub extern "C" fn dlerror() -> *const c_char {
    let slot = own_failure();
    let Some(mut known) = slot.swap(None) else {
        return core::ptr::null();
    };
    if !known.told.is_empty() {
        return core::ptr::null();
    }
    // A C string: `Lossy` shows a NUL in a name as text.
    known.told = crate::error::text(format_args!("{known:#}\0"));
    let text = known.told.as_ptr().cast();
    // What a handler left meanwhile goes: it has had its answer.
    let _meanwhile = slot.swap(Some(known));
    text
}
