//! Constructors and destructors: each module's once, whoever asks first.
//!
//! # Safety
//! Calls what the tables of relocated modules name as functions, as the gABI ("Initialization and Termination Functions") has it.
#![allow(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use super::locks::LongLock;
use super::published::Visiting;
use super::{Arguments, Runtime, runtime};
use crate::elf::Address;
use crate::event::{Event, Interest, Log};
use crate::stages::init;
use crate::stages::link::dependents_first;
use crate::sys::linux::have_at_hand;
use crate::world::{FINALISED, FRESH, INITIALISED, Module, ModuleId};

/// Calls functions that tables of a module name, with argc, argv and envp.
pub fn call_all(functions: impl Iterator<Item = Address>, arguments: Arguments, log: Log<'_>) {
    for function in functions {
        log.emit(Interest::STREAM, || Event::Calling(function));
        call(function, [arguments.count, arguments.values, arguments.environment]);
        log.emit(Interest::STREAM, || Event::Returned);
    }
}

/// Bytes of the heap that sorting takes for each place of a module, at most.
const OF_SORTED: usize = 64;

/// How many modules' constructors have begun, twice.
static CONSTRUCTED: AtomicU32 = AtomicU32::new(0);

#[inline(always)]
fn call(function: Address, [first, second, third]: [usize; 3]) {
    // SAFETY: an address that DT_INIT, DT_FINI or an array of a relocated module names: code by the ABI. A destructor takes no arguments, and does not look.
    let function: extern "C-unwind" fn(usize, usize, usize) = unsafe { core::mem::transmute(function.0 as usize) };
    function(first, second, third);
}

/// Runs the constructors of published modules, each module's once: one whose constructor is running (this is a `dlopen` in it) counts as initialised.
pub fn initialise(modules: &[Arc<Module>], runtime: &Runtime, arguments: Arguments, skip: Option<ModuleId>) {
    for module in modules {
        if Some(module.id) == skip {
            continue;
        }
        if module
            .state
            .compare_exchange(FRESH, INITIALISED, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            continue;
        }
        runtime.log.emit(Interest::FILES, || Event::Initialising(&module.name));
        let turn = CONSTRUCTED.fetch_add(2, Ordering::AcqRel);
        module.constructed.store(turn.wrapping_add(2), Ordering::Release);
        call_all(init::constructors(module), arguments, runtime.log);
        module.constructed.store(turn.wrapping_add(3), Ordering::Release);
    }
}

/// What the program's entry gets in rdx: runs the destructors of every module that was initialised, dependents first.
pub extern "C-unwind" fn finalise() {
    // A library that another thread is closing is finalised by that thread, in its order.
    drop(LongLock::take());
    let visiting = Visiting::start();
    let Some(world) = visiting.0.world() else { return };
    let order = match have_at_hand(world.modules.places() * OF_SORTED) {
        Ok(()) => dependents_first(world),
        Err(_) => Vec::new(),
    };
    // The program's namespace comes last, as under glibc.
    let last = world.modules.iter().map(|module| module.namespace.0).max();
    for namespace in (0..=last.unwrap_or(0)).rev() {
        let sorted = order.iter().filter_map(|id| world.get(*id));
        // Whoever is left has not been sorted, for want of memory: who began last comes first, after the program, which had no turn.
        let left = core::iter::from_fn(|| {
            let is_left = |module: &&Arc<Module>| {
                order.is_empty()
                    && module.namespace.0 == namespace
                    && module.state.load(Ordering::Acquire) == INITIALISED
            };
            let turn = |module: &&Arc<Module>| module.constructed.load(Ordering::Relaxed).wrapping_sub(1);
            world.modules.iter().filter(is_left).max_by_key(turn)
        });
        for module in sorted.chain(left) {
            if module.namespace.0 == namespace && leaves(module, FINALISED) {
                destroy(module);
            }
        }
    }
}

/// Leaves a module whose constructors ran in `state`, and says whether its destructors are now to be called.
pub(super) fn leaves(module: &Module, state: u32) -> bool {
    let was = module
        .state
        .compare_exchange(INITIALISED, state, Ordering::AcqRel, Ordering::Acquire);
    was.is_ok() && !module.is_final
}

/// Runs the destructors of a module.
pub(super) fn destroy(module: &Module) {
    if let Some(runtime) = runtime() {
        runtime.log.emit(Interest::FILES, || Event::Finalising(&module.name));
    }
    for function in init::destructors(module) {
        call(function, [0; 3]);
    }
}
