//! What threads need of the world: blocks of thread-local storage on first touch, and a `malloc` that is ready for a second thread.
//!
//! # Safety
//! Stores into the calling thread's own blocks, and calls the process's own allocator.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

use super::published::with_world;
use super::symbol::look_up;
use super::{runtime, stop, with_glibc};
use crate::abi::Abi;
use crate::elf::Address;
use crate::stages::resolve::Resolved;
use crate::sys::machine;
use crate::thread;

/// The block of the module with this TLS number in the calling thread; ends the process when there is no memory.
pub fn tls_block(id: u64) -> u64 {
    let generation = thread::generation();
    with_world(|_, roster| thread::block(roster.by_tls_number(id)?, roster, generation))
        .flatten()
        .unwrap_or_else(|| stop("cannot allocate memory for thread-local data"))
}

/// Copies the TLS images of modules anew in which a resolver's answer was stored after the blocks had been filled. No code of these modules has
/// run, so nothing in the blocks is lost.
pub fn refill_tls(resolved: &Resolved) {
    let modules = resolved.batch.modules.iter();
    for module in modules.filter(|module| resolved.tls_images.contains(&module.id)) {
        match runtime().map(|runtime| &runtime.abi) {
            Some(Abi::Glibc(glibc)) => glibc.fill_threads(core::slice::from_ref(module)),
            _ => {
                let pointer = machine::thread_pointer();
                // SAFETY: the calling thread's own static blocks, the only ones in a process without libc.
                unsafe { thread::StaticTls { pointer }.fill_one(module) };
            }
        }
    }
}

/// Whether libc knows this dtv as the first thread's.
pub fn is_initial_dtv(address: u64) -> bool {
    with_glibc(|glibc| {
        glibc
            .global
            .is_some_and(|global| global.get(glibc.layout.rtld_global.dl_initial_dtv) == address)
    })
    .unwrap_or(true)
}

/// Asks the process's `malloc` for a byte, once, before its first new thread runs.
///
/// glibc's malloc prepares its heap in its first call without a lock. It relies on its loader, which takes the memory of each new thread's
/// dtv from there, in the thread that creates. lode does not, so it makes the call that libc counts on.
pub fn prepare_malloc() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::AcqRel) {
        return;
    }
    let function = |name| look_up(0, name, None, Address(0));
    if let (Ok(malloc), Ok(free)) = (function(b"malloc"), function(b"free")) {
        // SAFETY: the process's own allocator, by the names and types of the C standard.
        unsafe {
            let malloc: extern "C-unwind" fn(usize) -> *mut c_void = core::mem::transmute(malloc);
            let free: extern "C-unwind" fn(*mut c_void) = core::mem::transmute(free);
            free(malloc(1));
        }
    }
}
