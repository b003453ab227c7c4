//! `dlclose`: what nobody needs any longer is finalised, unpublished and, when nobody reads it, unmapped.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::answer;
use super::constructors::{destroy, leaves};
use super::locks::{LOADING, Loading, LongLock};
use super::musl::{close_as_musl, is_musl};
use super::published::{free_former, publish, with_module_of_map, world_of};
use super::{call_error, with_glibc};
use crate::debugger::{self, State};
use crate::error::Kind;
use crate::stages::unload::unneeded;
use crate::sys::machine;
use crate::thread;
use crate::world::{CLOSED, INITIALISED, Module, ModuleId, Role, World};

/// The thread, by its pointer, that is taking modules away; 0 when there is none.
pub(super) static CLOSING: AtomicU64 = AtomicU64::new(0);

/// Something was closed while modules were being loaded or taken away; whoever does that looks again. Used under the long lock.
pub(super) static CLOSED_MEANWHILE: AtomicBool = AtomicBool::new(false);

/// A thread that is not in this process, which is the child of a `fork`, was taking modules away.
pub(super) static LEFT_BEHIND: AtomicBool = AtomicBool::new(false);

/// Something that nobody needs was left, which nobody closes again: who closes anything looks at everything.
static LEFT_OVER: AtomicBool = AtomicBool::new(false);

/// `dlclose(3)`. A library that nobody needs any longer is finalised and unmapped, and so is what only it needed.
pub extern "C-unwind" fn dlclose(handle: *const c_void) -> c_int {
    if is_musl() {
        return close_as_musl(handle);
    }
    let lock = LongLock::take();
    let closed = with_module_of_map(handle as usize, |module| {
        let count = |count: u32| count.checked_sub(1);
        let is_open = module.role != Role::Opened
            || module
                .opened
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, count)
                .is_ok();
        is_open.then_some(module.id)
    });
    let Some(Some(closed)) = closed else {
        let error = call_error(Kind::Unsupported("shared object not open"), b"");
        return answer(Err(error), -1);
    };
    if lock.is_some() && !is_busy() && !LEFT_OVER.swap(false, Ordering::Relaxed) {
        take_away_from(Some(closed));
    } else {
        CLOSED_MEANWHILE.store(true, Ordering::Relaxed);
        // Without the lock, whoever has it or takes it next does the rest.
        if lock.is_some() {
            take_away();
        }
    }
    drop(lock);
    free_former();
    answer(Ok(0), -1)
}

/// Finalises and unmaps what nobody needs, if something was closed. Called with the long lock held.
///
/// Destructors may open and close libraries, so the modules are looked for anew after they have run. A call that comes from a destructor, or
/// while this thread is loading, leaves the work to the one that it interrupted.
pub(super) fn take_away() {
    if !is_busy() {
        take_away_from(None);
    }
}

/// Whether this thread is loading, or taking something away.
fn is_busy() -> bool {
    let thread = machine::thread_pointer();
    CLOSING.load(Ordering::Relaxed) == thread || LOADING.load(Ordering::Relaxed) == thread
}

/// As [`take_away`]. If this one is all that was closed, only it and what it leads to is looked at.
fn take_away_from(closed: Option<ModuleId>) {
    CLOSING.store(machine::thread_pointer(), Ordering::Relaxed);
    if LEFT_BEHIND.swap(false, Ordering::Relaxed)
        && let Ok(mark) = Loading::start()
        && let Some(mut gone) = world_of(&mark).map(|world| unneeded(world, None, &has_thread_destructors))
    {
        // A destructor may wait for a lock that the absent thread had. What was not to be called yet stays until something else is closed.
        gone.retain(|module| module.state.load(Ordering::Acquire) != INITIALISED);
        LEFT_OVER.store(true, Ordering::Relaxed);
        unpublish(&gone, &mark);
    }
    let mut last = closed;
    loop {
        let alone = match CLOSED_MEANWHILE.swap(false, Ordering::Relaxed) {
            true => None,
            false if last.is_none() => break,
            false => last,
        };
        // A signal handler must not open what is about to go, nor publish a world in between.
        let Ok(mark) = Loading::start() else { break };
        let Some(mut gone) = world_of(&mark).map(|world| unneeded(world, alone, &has_thread_destructors)) else {
            break;
        };
        if !gone
            .iter()
            .any(|module| module.state.load(Ordering::Acquire) == INITIALISED)
        {
            unpublish(&gone, &mark);
            last = None;
            continue;
        }
        gone.retain(|module| leaves(module, CLOSED));
        if alone.is_none() {
            CLOSED_MEANWHILE.store(true, Ordering::Relaxed);
        }
        drop(mark);
        gone.iter().for_each(|module| destroy(module));
    }
    CLOSING.store(0, Ordering::Relaxed);
    if CLOSED_MEANWHILE.load(Ordering::Relaxed) {
        // A signal handler closed something in the last moment.
        take_away();
    }
}

/// Whether libc has still destructors of thread-local objects to call in a module.
fn has_thread_destructors(module: &Module) -> bool {
    let has_some = with_glibc(|glibc| glibc.thread_destructors(module) != 0) == Some(true);
    LEFT_OVER.fetch_or(has_some, Ordering::Relaxed);
    has_some
}

/// Publishes the world without `gone`. Their memory goes when nobody reads a world that has them.
fn unpublish(gone: &[Arc<Module>], mark: &Loading) {
    if gone.is_empty() {
        return;
    }
    let Some(next) = world_of(mark).map(|world| world.without(gone)) else {
        return;
    };
    let tell = |world: &World, state| {
        let mut told = 0u32;
        for namespace in gone.iter().map(|module| module.namespace) {
            let bit = 1u32.unbounded_shl(namespace.0.into());
            if told & bit == 0 {
                debugger::tell(namespace, world.first_map(namespace), state);
            }
            told |= bit;
        }
    };
    tell(&next, State::Delete);
    with_glibc(|glibc| glibc.forget(gone, next.tls.modules));
    publish(next);
    if let Some(world) = world_of(mark) {
        // Behind the publication: a fork in between leaves too much that counts, and never too little.
        gone.iter().for_each(|module| world.count(module, u32::MAX));
    }
    if gone.iter().any(|module| module.tls().is_some()) {
        // Behind the publication: see `thread::GENERATION`.
        thread::GENERATION.fetch_add(1, Ordering::SeqCst);
    }
    if let Some(world) = world_of(mark) {
        tell(world, State::Consistent);
    }
}
