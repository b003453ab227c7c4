//! What debuggers read and where they stop: `r_debug` with the function to stop at (`link.h`, "SVR4 run-time linker"), and the probes of the provider
//! `rtld`. gdb takes the probes when it finds all of them, because they say which part of the list is new; others stop at the function.
//!
//! # Safety
//! Follows the list of link_maps, which only the holder of the long lock changes.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use crate::foreign::{Lasting, Span};
use crate::image::Area;
use crate::sys::probe;
use crate::world::{Module, Namespace};

/// `struct r_debug`, with what version 2 of the protocol adds (`struct r_debug_extended`). Debuggers read it while the process is stopped.
#[repr(C)]
#[derive(Debug)]
pub struct RDebug {
    /// Version of the protocol: 1, and 2 as soon as there is another namespace.
    version: AtomicI32,
    /// First link_map; 0: the list is empty.
    map: AtomicU64,
    /// Address of the function at which to stop.
    stop_at: AtomicU64,
    /// [`State`].
    state: AtomicI32,
    /// Where the loader is.
    loader_base: AtomicU64,
    /// Address of the structure of the next namespace; 0: there is none.
    next: AtomicU64,
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
    /// Nothing yet.
    const fn new() -> RDebug {
        RDebug {
            version: AtomicI32::new(0),
            map: AtomicU64::new(0),
            stop_at: AtomicU64::new(0),
            state: AtomicI32::new(State::Consistent as i32),
            loader_base: AtomicU64::new(0),
            next: AtomicU64::new(0),
        }
    }

    /// Makes it one of an empty list.
    fn begin(&self, version: i32, stop_at: u64, loader_base: u64) {
        self.stop_at.store(stop_at, Ordering::Release);
        self.loader_base.store(loader_base, Ordering::Release);
        self.version.store(version, Ordering::Release);
    }

    fn address(&self) -> u64 {
        &raw const *self as u64
    }
}

/// What the binary exports for debuggers.
#[derive(Debug)]
pub struct Exported {
    /// The structure of the program's namespace.
    pub structure: &'static RDebug,
    /// Does nothing; debuggers have their breakpoint there.
    pub stop: extern "C" fn(),
}

/// What [`announce`] got.
static EXPORTED: Lasting<Exported> = Lasting::none();

/// Whether the start has been told of completely.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Those of further namespaces, from the first to the last possible one, written under the long lock.
static FURTHER: [RDebug; OTHERS] = [const { RDebug::new() }; OTHERS];

const OTHERS: usize = Namespace::MOST as usize - 1;

/// The last link_map of the list before modules were added.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Bytes of the public members of `struct link_map` (`link.h`): five words.
pub const LINK_MAP: usize = 40;

/// How many bytes behind the public members of each link_map its module's name stands.
pub static NAME_PLACE: AtomicUsize = AtomicUsize::new(0);

/// Where it has the address of the next one.
pub const NEXT: usize = 24;

/// Sets up the exported structure.
pub fn announce(exported: &'static Exported, loader_base: u64) {
    exported.structure.begin(1, exported.stop as usize as u64, loader_base);
    EXPORTED.set(exported);
}

fn exported() -> Option<&'static Exported> {
    EXPORTED.get()
}

/// The address of the structure: what DT_DEBUG of the program gets.
pub fn address() -> u64 {
    exported().map_or(0, |exported| exported.structure.address())
}

/// Where the structure of a namespace is or would be.
fn place_of(namespace: Namespace, base: &'static RDebug) -> &'static RDebug {
    let index = usize::from(namespace.0).wrapping_sub(1);
    FURTHER.get(index).unwrap_or(base)
}

/// The structure of a namespace, which is made when it is first asked for, and stands behind all others from then on.
fn structure_of(namespace: Namespace, base: &'static RDebug) -> &'static RDebug {
    let place = place_of(namespace, base);
    if place.version.load(Ordering::Relaxed) == 0 {
        let word = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let is_last = |other: &&RDebug| other.version.load(Ordering::Relaxed) != 0 && word(&other.next) == 0;
        let last = FURTHER.iter().find(is_last).unwrap_or(base);
        place.begin(2, word(&base.stop_at), word(&base.loader_base));
        last.next.store(place.address(), Ordering::Release);
        base.version.store(2, Ordering::Release);
    }
    place
}

/// Says where the list ends to which modules are about to be added: at its last link_map; 0: it is empty.
pub fn note_last(last: u64) {
    LAST.store(last, Ordering::Relaxed);
}

/// Tells a debugger that the list of a namespace starts at `first` (0: it is empty) and is in `state`.
#[inline(never)]
pub fn tell(namespace: Namespace, first: usize, state: State) {
    let Some(exported) = exported() else { return };
    let place = structure_of(namespace, exported.structure);
    let (namespace, first) = (u64::from(namespace.0), first as u64);
    let before = place.state.load(Ordering::Relaxed);
    place.map.store(first, Ordering::Release);
    place.state.store(state as i32, Ordering::Release);
    (exported.stop)();
    let r_debug = place.address();
    let started = STARTED.load(Ordering::Relaxed);
    match state {
        State::Add if !started => probe::init_start(namespace, r_debug),
        State::Add => probe::map_start(namespace, r_debug),
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
    let place = exported().map_or(0, |exported| place_of(namespace, exported.structure).address());
    probe::map_failed(namespace.0.into(), place);
}

/// A link_map of the list, as far as its members are public; at 0 an empty one.
pub fn map_at(map: u64) -> Span {
    memory(map, LINK_MAP)
}

/// The link_map of a module, with what goes with it: `size` bytes in all; an empty one before it is made.
pub fn map_of(module: &Module, size: usize) -> Span {
    memory(module.link_map.load(Ordering::Acquire) as u64, size)
}

/// As [`map_at`], with what goes with it: `size` bytes in all.
pub fn memory(map: u64, size: usize) -> Span {
    // SAFETY: a link_map that lode made with as much behind it as its libc has, of the list, which only the holder of the long lock changes, or of a module, which
    // keeps it. Nothing of Rust refers into it.
    Span::from(unsafe { Area::at(map as *mut u8, size) })
}

/// The link_map behind the one at `map`; 0: there is none.
fn next_map(map: u64) -> u64 {
    map_at(map).load(NEXT).unwrap_or(0)
}

/// The last link_map of the list in which the one at `map` stands.
pub fn last_map(map: u64) -> u64 {
    let mut last = map;
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

    /// What a debugger reads: version, first link_map, state, loader's base, next structure.
    fn read(place: &RDebug) -> (i32, u64, i32, u64, u64) {
        let word = |word: &AtomicU64| word.load(Ordering::Relaxed);
        (
            place.version.load(Ordering::Relaxed),
            word(&place.map),
            place.state.load(Ordering::Relaxed),
            word(&place.loader_base),
            word(&place.next),
        )
    }

    /// The one test that announces anything.
    #[test]
    fn each_namespace_has_a_structure_behind_the_base_one() {
        extern "C" fn stop() {}
        static BASE: RDebug = RDebug::new();
        static EXPORTED: Exported = Exported { structure: &BASE, stop };
        let second: LinkMap = [2, 0, 0, 0, 0];
        let first: LinkMap = [1, 0, 0, (&raw const second) as u64, 0];
        announce(&EXPORTED, 0x1000);
        let program = first.as_ptr().addr();
        tell(Namespace::BASE, program, State::Add);
        tell(Namespace::BASE, program, State::Consistent);
        assert_eq!(read(&BASE), (1, program as u64, 0, 0x1000, 0));
        assert_eq!(last_map(program as u64), (&raw const second) as u64);

        for number in [3, 1] {
            tell(Namespace(number), 0, State::Add);
            tell(Namespace(number), program, State::Consistent);
        }
        let [third, last] = [3, 1].map(|number| place_of(Namespace(number), &BASE));
        assert_eq!(read(&BASE), (2, program as u64, 0, 0x1000, third.address()));
        assert_eq!(read(third), (2, program as u64, 0, 0x1000, last.address()));
        assert_eq!(read(last), (2, program as u64, 0, 0x1000, 0));
        tell(Namespace(3), 0, State::Delete);
        let deleted = State::Delete as i32;
        assert_eq!(read(third), (2, 0, deleted, 0x1000, last.address()));
        assert_eq!(read(&BASE).2, State::Consistent as i32);
    }
}
