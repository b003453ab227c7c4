//! What debuggers read: `r_debug` and the function at which they stop when the list of modules changes (`link.h`, "SVR4 run-time linker").
//!
//! # Safety
//! Writes the one exported `r_debug`, which nobody else writes, under the long lock.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicPtr, Ordering};

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

/// Tells a debugger that the list starts at `first` and is in `state`.
pub fn tell(first: u64, state: State) {
    let place = PLACE.load(Ordering::Acquire);
    if place.is_null() {
        return;
    }
    // SAFETY: `announce` set it; writers hold the long lock. Debuggers read it while the process is stopped.
    unsafe {
        (&raw mut (*place).map).write_volatile(first);
        (&raw mut (*place).state).write_volatile(state as i32);
    }
    // The binary's exported function, by its address: where the debugger's breakpoint is.
    // SAFETY: `announce` stored the address of that function, which does nothing.
    unsafe {
        let stop_at = (&raw const (*place).stop_at).read_volatile();
        if stop_at != 0 {
            let stop: extern "C" fn() = core::mem::transmute(stop_at as usize);
            stop();
        }
    }
}
