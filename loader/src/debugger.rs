//! What debuggers read and where they stop: `r_debug` with the function to stop at (`link.h`, "SVR4 run-time linker"), and the probes of the provider
//! `rtld`. gdb takes the probes when it finds all of them, because they say which part of the list is new; others stop at the function.
//!
//! # Safety
//! Writes the one exported `r_debug` and those of other namespaces, which nobody else writes, under the long lock.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crate::sys::probe;
use crate::world::Namespace;

/// `struct r_debug`, with what version 2 of the protocol adds (`struct r_debug_extended`).
#[repr(C)]
#[derive(Debug)]
pub struct RDebug {
    /// Version of the protocol: 1, and 2 as soon as there is another namespace.
    pub version: i32,
    /// First link_map; 0: the list is empty.
    pub map: u64,
    /// Address of the function at which to stop.
    pub stop_at: u64,
    /// [`State`].
    pub state: i32,
    /// Where the loader is.
    pub loader_base: u64,
    /// Address of the structure of the next namespace; 0: there is none.
    pub next: u64,
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

impl RDebug {
    /// Of an empty list.
    const fn new(version: i32, stop_at: u64, loader_base: u64) -> RDebug {
        RDebug {
            version,
            map: 0,
            stop_at,
            state: State::Consistent as i32,
            loader_base,
            next: 0,
        }
    }
}

static PLACE: AtomicPtr<RDebug> = AtomicPtr::new(core::ptr::null_mut());

/// Whether the start has been told of completely.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Those of further namespaces, from the first to the last possible one.
struct Others(UnsafeCell<[RDebug; OTHERS]>);

const OTHERS: usize = Namespace::MOST as usize - 1;

// SAFETY: written under the long lock; debuggers read it while the process is stopped.
unsafe impl Sync for Others {}

static FURTHER: Others = Others(UnsafeCell::new([const { RDebug::new(0, 0, 0) }; OTHERS]));

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
        place.write(RDebug::new(1, stop_at, loader_base));
    }
    PLACE.store(place, Ordering::Release);
}

/// The address of the structure: what DT_DEBUG of the program gets.
pub fn address() -> u64 {
    PLACE.load(Ordering::Acquire) as u64
}

/// Where the structure of a namespace is or would be. Null: nothing was announced.
fn place_of(namespace: Namespace) -> *mut RDebug {
    let base = PLACE.load(Ordering::Acquire);
    let index = usize::from(namespace.0).wrapping_sub(1);
    if base.is_null() || index >= OTHERS {
        return base;
    }
    FURTHER.0.get().cast::<RDebug>().wrapping_add(index)
}

/// The structure of a namespace, which is made when it is first asked for, and stands behind all others from then on. Null: nothing was announced.
fn structure_of(namespace: Namespace) -> *mut RDebug {
    let base = PLACE.load(Ordering::Acquire);
    let place = place_of(namespace);
    if place == base {
        return base;
    }
    // SAFETY: `announce` set the base's; the others stay, and only the holder of the long lock writes them.
    unsafe {
        if (*place).version == 0 {
            place.write(RDebug::new(2, (*base).stop_at, (*base).loader_base));
            let mut last = base;
            while (*last).next != 0 {
                last = (*last).next as *mut RDebug;
            }
            (&raw mut (*last).next).write_volatile(place as u64);
            (&raw mut (*base).version).write_volatile(2);
        }
    }
    place
}

/// Tells a debugger that the list of a namespace starts at `first` (0: it is empty) and is in `state`.
#[inline(never)]
pub fn tell(namespace: Namespace, first: usize, state: State) {
    let place = structure_of(namespace);
    if place.is_null() {
        return;
    }
    let (namespace, first) = (u64::from(namespace.0), first as u64);
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
        State::Add if !started => probe::init_start(namespace, r_debug),
        State::Add => {
            LAST.store(last_map(first), Ordering::Relaxed);
            probe::map_start(namespace, r_debug);
        }
        State::Delete => probe::unmap_start(namespace, r_debug),
        State::Consistent if !started => {
            STARTED.store(true, Ordering::Relaxed);
            probe::init_complete(namespace, r_debug);
        }
        State::Consistent if before == State::Delete as i32 => probe::unmap_complete(namespace, r_debug),
        State::Consistent => {
            let new = match LAST.load(Ordering::Relaxed) {
                0 => first,
                last => next_map(last),
            };
            probe::map_complete(namespace, r_debug, new);
            probe::reloc_start(namespace, r_debug);
            probe::reloc_complete(namespace, r_debug, new);
        }
    }
}

/// Tells a tracer that a library could not be opened in a namespace, which may not have been made.
pub fn tell_of_failure(namespace: Namespace) {
    probe::map_failed(namespace.0.into(), place_of(namespace) as u64);
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
pub fn last_map(first: u64) -> u64 {
    let mut last = first;
    loop {
        match next_map(last) {
            0 => return last,
            next => last = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct link_map` of `link.h`: address, name, dynamic table, next, previous.
    type LinkMap = [u64; 5];

    #[test]
    fn each_namespace_has_a_structure_behind_the_base_one() {
        let place: &'static mut RDebug = Box::leak(Box::new(RDebug::new(0, 0, 0)));
        let base = &raw mut *place;
        let second: LinkMap = [2, 0, 0, 0, 0];
        let first: LinkMap = [1, 0, 0, (&raw const second) as u64, 0];
        // SAFETY: leaked; the one test that announces anything.
        let read = |place: *const RDebug| unsafe { place.read_volatile() };
        // SAFETY: as above.
        unsafe { announce(base, 0, 0x1000) };
        let program = first.as_ptr().addr();
        tell(Namespace::BASE, program, State::Add);
        tell(Namespace::BASE, program, State::Consistent);
        assert_eq!(
            (read(base).version, read(base).map, read(base).next),
            (1, program as u64, 0)
        );
        assert_eq!(last_map(program as u64), (&raw const second) as u64);

        for number in [3, 1] {
            tell(Namespace(number), 0, State::Add);
            tell(Namespace(number), program, State::Consistent);
        }
        assert_eq!((read(base).version, read(base).map), (2, program as u64));
        let third = read(base).next as *const RDebug;
        assert_eq!(
            (read(third).version, read(third).map, read(third).loader_base),
            (2, program as u64, 0x1000)
        );
        let last = read(third).next as *const RDebug;
        assert_eq!(
            (last as u64, third as u64),
            (place_of(Namespace(1)) as u64, place_of(Namespace(3)) as u64)
        );
        assert_eq!(read(last).next, 0);
        tell(Namespace(3), 0, State::Delete);
        assert_eq!((read(third).map, read(third).state), (0, State::Delete as i32));
        assert_eq!(read(base).state, State::Consistent as i32);
    }
}
