//! What is different in a process of musl's: constructors run when libc calls for them, nothing is unloaded, threads say when they end.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use spin::Mutex;

use super::constructors::{destroy, initialise, leaves};
use super::published::{Visiting, with_module_of_map};
use super::{answer, call_error, failure, runtime, with_musl};
use crate::error::{FOR_MUSL, Kind, Result};
use crate::stages::relocate::SUBSTITUTED;
use crate::sys::machine;
use crate::thread;
use crate::world::{FINALISED, Module};

/// The modules of the start, whose constructors wait for libc to call.
static WAITING: Mutex<Option<Box<[Arc<Module>]>>> = Mutex::new(None);

/// One more than the key by which libc tells that a thread ends; 0 before there is one.
static KEY: AtomicU32 = AtomicU32::new(0);

/// The destructors run: nothing is opened any more.
static EXITING: AtomicBool = AtomicBool::new(false);

/// How often libc goes through the keys of a thread that ends (`PTHREAD_DESTRUCTOR_ITERATIONS`).
const ROUNDS: usize = 4;

/// Whether musl is the libc of the process.
pub(super) fn is_musl() -> bool {
    FOR_MUSL.load(Ordering::Relaxed)
}

/// Keeps the modules of the start, dependencies first, until libc calls [`run_constructors`].
pub fn come_to_life(modules: Vec<Arc<Module>>) {
    *WAITING.lock() = Some(modules.into_boxed_slice());
}

/// What libc takes for the constructor of the program: it is called in `__libc_start_main`, once.
///
/// The destructors are a function that runs at the exit and was told of first, so that it runs last, where libc's own list of destructors would come.
/// That list holds only programs whose constructors are through: none, if one of them calls `exit`.
pub extern "C" fn run_constructors() {
    let Some(runtime) = runtime() else { return };
    let around = &runtime.around_fork;
    let modules = WAITING.lock().take().unwrap_or_default();
    let mut key = u32::MAX;
    with_musl(|musl| {
        let functions = &musl.functions;
        functions
            .at_exit
            .call([finalise_at_exit as *const () as usize, 0, 0, 0]);
        if !is_entered(&modules) {
            return;
        }
        let handlers = [around.before, around.after, around.in_the_child].map(|handler| handler as *const () as usize);
        let [before, after, child] = handlers;
        functions.at_fork.call([before, after, child, 0]);
        // A thread asks for its blocks anywhere, so the key is made before.
        let place = (&raw mut key) as usize;
        functions
            .create_key
            .call([place, thread_ends as *const () as usize, 0, 0]);
    });
    KEY.store(key.wrapping_add(1), Ordering::Release);
    initialise(&modules, runtime, runtime.arguments, None);
}

/// Whether the program can come back into lode before it exits: by a function that stands for one of libc's, or for a block of thread-local storage. Where it cannot,
/// lode has nothing that a fork could cut in two and nothing of a thread that ends, and telling libc so would only cost memory.
fn is_entered(modules: &[Arc<Module>]) -> bool {
    let is_dynamic = |module: &Arc<Module>| module.tls().is_some_and(|tls| tls.offset.is_none());
    SUBSTITUTED.load(Ordering::Relaxed) || modules.iter().any(is_dynamic)
}

/// The destructors of all modules whose constructors are through, in the reverse order of their beginnings.
extern "C-unwind" fn finalise_at_exit() {
    EXITING.store(true, Ordering::Release);
    let visiting = Visiting::start();
    let Some(world) = visiting.0.world() else { return };
    let turn = |module: &Arc<Module>| module.constructed.load(Ordering::Acquire);
    let mut before = u32::MAX;
    // The list of modules is short, and in no order that would help.
    while let Some(module) = world
        .modules
        .iter()
        .filter(|module| turn(module) < before)
        .max_by_key(|module| turn(module))
        && turn(module) != 0
    {
        before = turn(module);
        if before & 1 != 0 && leaves(module, FINALISED) {
            destroy(module);
        }
    }
}

/// Asks libc to tell of the end of the calling thread, which has something of lode's now. That is in the middle of a look-up of thread-local data: libc stores a
/// word into the thread, and calls nothing that the program may have replaced.
pub fn announce_thread() {
    note_round(1);
}

fn note_round(round: usize) {
    if let Some(key) = KEY.load(Ordering::Acquire).checked_sub(1) {
        with_musl(|musl| musl.functions.set_specific.call([key as usize, round, 0, 0]));
    }
}

/// libc calls this for a thread that ends, in each of its rounds. The destructors of other keys may touch thread-local data, so that only the last
/// one takes it away.
extern "C" fn thread_ends(round: usize) {
    if round < ROUNDS {
        note_round(round + 1);
        return;
    }
    failure::forget_thread(machine::thread_pointer());
    thread::release_own();
}

/// Nothing is opened while the process exits.
pub(super) fn check_not_exiting() -> Result<()> {
    match EXITING.load(Ordering::Acquire) {
        true => Err(call_error(
            Kind::Unsupported("Cannot dlopen while program is exiting."),
            b"",
        )),
        false => Ok(()),
    }
}

/// `dlclose(3)`: a library stays, because functions that it registered for the exit may be called.
pub(super) fn close_as_musl(handle: *const c_void) -> c_int {
    let known = with_module_of_map(handle as usize, |_| ());
    answer(
        known
            .map(|()| 0)
            .ok_or_else(|| call_error(Kind::InvalidHandle(handle as u64), b"")),
        1,
    )
}
