//! Programs without a libc: the thread pointer, and the blocks below it.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use crate::debugger;
use crate::error::{Fault, Kind};
use crate::foreign::Span;
use crate::image::Memory;
use crate::sys::heap::refusal;
use crate::thread::{Dtv, ThreadHead};
use crate::tls::TlsPlan;
use crate::world::{Module, ModuleId, Role, Roster};

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
    let dtv = Dtv::allocate(plan.modules, 0).ok_or(Kind::OutOfMemory)?;
    head.span().store(STACK_GUARD, guard);
    head.enter(roster, dtv).map_err(memory)
}

/// The public members of a link_map (`link.h`), by their order: bias, name, dynamic section, next, previous.
const MEMBERS: usize = debugger::LINK_MAP / 8;

/// Makes the list of modules that debuggers walk.
///
/// # Errors
/// [`Kind::OutOfMemory`].
pub fn link_maps(roster: Roster<'_>, order: &[ModuleId]) -> Result<(), Fault> {
    append(Span::EMPTY, &mut order.iter().filter_map(|id| roster.get(*id)))
}

/// Appends modules that have come to the list that ends with the link_map at `last`.
///
/// # Errors
/// [`Kind::OutOfMemory`].
pub fn adopt(last: u64, modules: &mut dyn Iterator<Item = &Arc<Module>>) -> Result<(), Fault> {
    append(debugger::map_at(last), &mut modules.map(|module| &**module))
}

/// Appends modules that have no link_map yet behind `last`.
fn append(mut last: Span, modules: &mut dyn Iterator<Item = &Module>) -> Result<(), Fault> {
    for module in modules.filter(|module| module.link_map.load(Ordering::Relaxed) == 0) {
        let name = match module.role {
            Role::Program => b"",
            _ => module.name.bytes(),
        };
        let memory = Memory::zeroed(MEMBERS * 8 + name.len() + 1).ok_or(Kind::OutOfMemory)?;
        let map = Span::lasting(memory);
        let words = [
            module.image.bias().0,
            map.address() + MEMBERS as u64 * 8,
            module.layout.dynamic.map_or(0, |(at, _)| module.at(at).0),
            0,
            if last.size() == 0 { 0 } else { last.address() },
        ];
        for (index, word) in words.into_iter().enumerate() {
            let _ = map.store(index * 8, word);
        }
        let _ = map.store_bytes(MEMBERS * 8, name);
        let _ = last.store(debugger::NEXT, map.address());
        module.link_map.store(map.address() as usize, Ordering::Release);
        last = map;
    }
    Ok(())
}
