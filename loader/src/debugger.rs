//! What debuggers read and where they stop: `r_debug` with the function to stop at (`link.h`, "SVR4 run-time linker"), and the probes of the provider
//! `rtld`. gdb takes the probes when it finds all of them, because they say which part of the list is new; others stop at the function.
//!
//! # Safety
//! Writes the one exported `r_debug` and those of other namespaces, which nobody else writes, under the long lock.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crate::sys::probe;

/// `struct r_debug`.
#[repr(C)]
#[derive(Debug)]
pub struct RDebug {
    /// Version of the protocol, 1.
    pub version: i32,
    /// First link_map.
    pub map: u64,
    /// Address of the function at which to stop.
    pub stop_at: u64,
    /// [`State`].
    pub state: i32,
    /// Where the loader is.
    pub loader_base: u64,
}

/// `r_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The list is whole.
    Consistent = 0,
    /// Modules are being added.
    Add = 1,
    /// Modules are being removed.
    Delete = 2,
}

static PLACE: AtomicPtr<RDebug> = AtomicPtr::new(core::ptr::null_mut());

/// Whether the start has been told of completely.
static STARTED: AtomicBool = AtomicBool::new(false);

/// The last link_map of the list before modules were added.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Where `struct link_map` has the address of the next one (`link.h`).
const NEXT: u64 = 24;

/// Sets up the exported structure at `place`.
///
/// # Safety
/// `place` is the binary's export and stays.
pub unsafe fn announce(place: *mut RDebug, stop_at: u64, loader_base: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        place.write(RDebug {
            version: 1,
            map: 0,
            stop_at,
            state: State::Consistent as i32,
            loader_base,
        });
    }
    PLACE.store(place, Ordering::Release);
}

/// The address of the structure: what DT_DEBUG of the program gets.
pub fn address() -> u64 {
    PLACE.load(Ordering::Acquire) as u64
}

/// The namespace that the program is in (`LM_ID_BASE`).
const BASE: u64 = 0;

/// Tells a debugger that the list starts at `first` and is in `state`.
#[inline(never)]
pub fn tell(first: u64, state: State) {
    let place = PLACE.load(Ordering::Acquire);
    if place.is_null() {
        return;
    }
    // SAFETY: `announce` set it; writers hold the long lock. Debuggers read it while the process is stopped.
    let before = unsafe {
        let before = (&raw const (*place).state).read_volatile();
        (&raw mut (*place).map).write_volatile(first);
        (&raw mut (*place).state).write_volatile(state as i32);
        before
    };
    // The binary's exported function, by its address: where the debugger's breakpoint is.
    // SAFETY: `announce` stored the address of that function, which does nothing.
    unsafe {
        let stop_at = (&raw const (*place).stop_at).read_volatile();
        if stop_at != 0 {
            let stop: extern "C" fn() = core::mem::transmute(stop_at as usize);
            stop();
        }
    }
    let r_debug = place as u64;
    let started = STARTED.load(Ordering::Relaxed);
    match state {
        State::Add if !started => probe::init_start(BASE, r_debug),
        State::Add => {
            LAST.store(last_map(first), Ordering::Relaxed);
            probe::map_start(BASE, r_debug);
        }
        State::Delete => probe::unmap_start(BASE, r_debug),
        State::Consistent if !started => {
            STARTED.store(true, Ordering::Relaxed);
            probe::init_complete(BASE, r_debug);
        }
        State::Consistent if before == State::Delete as i32 => probe::unmap_complete(BASE, r_debug),
        State::Consistent => {
            let new = next_map(LAST.load(Ordering::Relaxed));
            probe::map_complete(BASE, r_debug, new);
            probe::reloc_start(BASE, r_debug);
            probe::reloc_complete(BASE, r_debug, new);
        }
    }
}

/// Tells a tracer that a library could not be opened.
pub fn tell_of_failure() {
    probe::map_failed(BASE, address());
}

/// The link_map behind the one at `map`; 0: there is none.
fn next_map(map: u64) -> u64 {
    if map == 0 {
        return 0;
    }
    // SAFETY: a link_map of the list, which only the holder of the long lock changes.
    unsafe { ((map + NEXT) as *const u64).read_volatile() }
}

/// The last link_map of the list that begins with the one at `first`.
fn last_map(first: u64) -> u64 {
    let mut last = first;
    loop {
        match next_map(last) {
            0 => return last,
            next => last = next,
        }
    }
}
