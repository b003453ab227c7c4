//! Programs without a libc: the thread pointer, and the blocks below it.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::head::ThreadHead;
use crate::error::{Fault, Kind};
use crate::sys::c_string;
use crate::sys::heap::refusal;
use crate::thread::Dtv;
use crate::tls::TlsPlan;
use crate::world::{ModuleId, Role, Roster};

/// Bytes at and above the thread pointer: its own address (psABI), the dtv, and the words that compilers' stack protectors read
/// (`fs:0x28`) rounded up.
const HEAD: usize = 64;

/// Byte of the thread head at which the stack protector's value lies (psABI of gcc for x86-64).
const STACK_GUARD: usize = 0x28;

/// Makes the first thread's blocks and head, and sets the thread pointer.
///
/// # Errors
/// When there is no memory, or the kernel refuses.
pub fn wake(plan: &TlsPlan, roster: Roster<'_>, guard: u64) -> Result<(), Fault> {
    let memory = |errno| Kind::os("cannot create TLS data structures", errno);
    let align = plan.align.max(64);
    let below = plan.used.checked_next_multiple_of(align).ok_or(Kind::OutOfMemory)?;
    let size = below.checked_add(HEAD as u64).ok_or(Kind::OutOfMemory)?;
    let head = ThreadHead::allocate(size, HEAD, align).ok_or_else(|| memory(refusal()))?;
    let dtv = Dtv::allocate(plan.modules, 0);
    if dtv.address() == 0 {
        return Err(Kind::OutOfMemory.into());
    }
    head.span().store(STACK_GUARD, guard);
    head.enter(roster, dtv).map_err(memory)
}

/// The public members of a link_map (`link.h`).
#[repr(C)]
struct LinkMap {
    bias: u64,
    name: u64,
    dynamic: u64,
    next: u64,
    previous: u64,
}

/// Makes the list of modules that debuggers walk.
///
/// # Errors
/// [`Kind::OutOfMemory`].
pub fn link_maps(roster: Roster<'_>, order: &[ModuleId]) -> Result<(), Fault> {
    let mut maps: Vec<LinkMap> = Vec::new();
    maps.try_reserve_exact(order.len()).map_err(|_| Kind::OutOfMemory)?;
    // The maps stay here: there is room for all of them.
    let mut address = maps.as_ptr().addr();
    let mut previous = 0;
    for module in order.iter().filter_map(|id| roster.get(*id)) {
        let name = if module.role == Role::Program {
            b""
        } else {
            module.name.bytes()
        };
        if let Some(last) = maps.last_mut() {
            last.next = address as u64;
        }
        maps.push(LinkMap {
            bias: module.image.bias().0,
            name: c_string(name).as_ptr() as u64,
            dynamic: module.layout.dynamic.map_or(0, |(at, _)| module.at(at).0),
            next: 0,
            previous,
        });
        module.link_map.store(address, Ordering::Release);
        previous = address as u64;
        address += size_of::<LinkMap>();
    }
    maps.leak();
    Ok(())
}
