//! What threads need of the world: blocks of thread-local storage on first touch, and a `malloc` that is ready for a second thread.
//!
//! # Safety
//! Stores into the calling thread's own blocks, and calls the process's own allocator.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

use super::locks::LOADING;
use super::musl::is_musl;
use super::owned::AtomicBox;
use super::published::with_world;
use super::symbol::look_up;
use super::{Runtime, runtime, stop, with_glibc};
use crate::abi::Abi;
use crate::elf::Address;
use crate::error::{Result, text};
use crate::stages::relocate::Relocated;
use crate::stages::resolve::Resolved;
use crate::sys::machine;
use crate::thread;
use crate::world::{Module, Roster, World};

/// The modules of a batch whose resolvers have been called and which is not published: resolvers are code of these modules, and touch thread-local data of
/// which no reader of the world knows. For the thread that loads ([`LOADING`]).
static UNPUBLISHED: AtomicBox<Vec<Arc<Module>>> = AtomicBox::empty();

/// The block of the module with this TLS number in the calling thread; ends the process when there is no memory.
pub fn tls_block(id: u64) -> u64 {
    let generation = thread::generation();
    let is_loading = LOADING.load(Ordering::Relaxed) == machine::thread_pointer();
    // A signal handler that comes meanwhile finds none. It is not code of these modules.
    let unpublished = is_loading.then(|| UNPUBLISHED.swap(None)).flatten();
    let block = with_world(|world, _| {
        let roster = Roster {
            world: &world.modules,
            batch: unpublished.as_deref().map_or(&[], Vec::as_slice),
        };
        let module = roster.by_tls_number(id)?;
        let block = thread::block(module, roster, generation);
        Some(block.unwrap_or_else(|| {
            stop(&text(format_args!(
                "{}: cannot allocate memory for thread-local data",
                module.name
            )))
        }))
    });
    if is_loading {
        UNPUBLISHED.swap(unpublished);
    }
    block
        .flatten()
        .unwrap_or_else(|| stop("thread-local data of a module that is not loaded was used"))
}

/// Calls the resolvers of a batch, which may touch thread-local data of its modules.
///
/// # Errors
/// As [`Awake::resolve`](crate::stages::resolve::Awake::resolve).
pub fn resolve(relocated: Relocated, world: &World, runtime: &Runtime) -> Result<Resolved> {
    if !relocated.indirect.is_empty() {
        UNPUBLISHED.swap(Some(Box::new(relocated.batch.modules.clone())));
    }
    let resolved = relocated.awake().resolve(world, &runtime.linux, runtime.log)?;
    refill_tls(&resolved);
    Ok(resolved)
}

/// Every reader knows the modules of the batch.
pub(super) fn publication_is_over() {
    drop(UNPUBLISHED.swap(None));
}

/// Takes back what resolvers of a batch that came to nothing have touched: the numbers of its modules go to others.
pub(super) fn forget_unpublished() {
    for module in UNPUBLISHED.swap(None).iter().flat_map(|modules| modules.iter()) {
        thread::forget(module);
    }
}

/// Copies the TLS images of modules anew in which a resolver's answer was stored after the blocks had been filled. No code of these modules but resolvers
/// has run, so nothing that matters in the blocks is lost.
fn refill_tls(resolved: &Resolved) {
    let modules = resolved.batch.modules.iter();
    for module in modules.filter(|module| resolved.tls_images.contains(&module.id)) {
        if module.tls().is_some_and(|slot| slot.offset.is_none()) {
            // What a resolver touched is made anew.
            thread::forget(module);
        }
        match runtime().map(|runtime| &runtime.abi) {
            Some(Abi::Glibc(glibc)) => glibc.fill_threads(core::slice::from_ref(module)),
            Some(Abi::Musl(musl)) => musl.refill(module, Some(machine::thread_pointer())),
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
    .unwrap_or(!is_musl())
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
