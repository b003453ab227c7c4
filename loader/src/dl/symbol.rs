//! `dlsym` and the lazy binder: an address for a name, on the published world.
//!
//! # Safety
//! The name of a version that a caller passes is used within the call.
#![allow(unsafe_code)]

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ffi::c_void;

use super::answer;
use super::open::add_new;
use super::published::{module_of_map, with_world};
use super::{Runtime, call_error, runtime, stop, too_early};
use crate::elf::Address;
use crate::elf::symbol::STT_TLS;
use crate::error::{Kind, Name, Result, Stage, text};
use crate::foreign::Text;
use crate::scope::{Definition, Scope, breadth_first, note_binding};
use crate::stages::{relocate, slots};
use crate::symbols::{Use, Wanted};
use crate::thread;
use crate::world::{Host, Module, ModuleId, Namespace, Role, Roster, World};

/// Modules in the order in which they are searched.
type List<'w> = Cow<'w, [ModuleId]>;

/// RTLD_NEXT
const NEXT: usize = usize::MAX;

/// `dlsym(3)`. A handle may be anything: it is looked up, never followed.
pub extern "C-unwind" fn dlsym(handle: *const c_void, name: Text<'_>, caller: *const c_void) -> *mut c_void {
    let name = name.name();
    answer(look_up(handle as usize, name, None, Address(caller as u64)), 0) as *mut c_void
}

/// `dlvsym(3)`.
pub extern "C-unwind" fn dlvsym(
    handle: *const c_void,
    name: Text<'_>,
    version: Text<'_>,
    caller: *const c_void,
) -> *mut c_void {
    let name = name.name();
    answer(
        look_up(handle as usize, name, Some(version.name()), Address(caller as u64)),
        0,
    ) as *mut c_void
}

/// libc's own dlsym.
pub extern "C-unwind" fn libc_dlsym(map: *const c_void, name: Text<'_>) -> *mut c_void {
    look_up(map as usize, name.name(), None, Address(0)).unwrap_or(0) as *mut c_void
}

/// libc's own dlvsym.
pub extern "C-unwind" fn libc_dlvsym(map: *const c_void, name: Text<'_>, version: Text<'_>) -> *mut c_void {
    let name = name.name();
    look_up(map as usize, name, Some(version.name()), Address(0)).unwrap_or(0) as *mut c_void
}

pub(super) fn look_up(handle: usize, name: &[u8], version: Option<&[u8]>, caller: Address) -> Result<usize> {
    let Some(runtime) = runtime() else {
        return Err(too_early());
    };
    let generation = thread::generation();
    let (address, is_resolver) = with_world(|world, roster| {
        let asker = world.at(caller).or_else(|| world.program());
        let (list, whose) = search_list(world, roster, handle, asker)?;
        // What RTLD_DEFAULT and the program's handle mean begins with the global scope.
        let is_global = handle == 0 || (handle != NEXT && whose.is_some_and(|module| module.role == Role::Program));
        let covered = if is_global { world.modules.covered() } else { 0 };
        // Where a program at a fixed address has a slot that stands for a function, that is its address for everybody.
        let mut wanted = Wanted::new(name, None, Use::Address);
        wanted.newest = true;
        // A version that libc's callers name is a definition's: it must be met exactly.
        let wanted_version = version.map(|version| crate::symbols::Version {
            hash: crate::elf::hash::sysv_hash(version),
            name: unbounded(version),
            file: None,
            hidden: true,
        });
        wanted.version = wanted_version.as_ref();
        let scope = Scope {
            roster,
            namespace: whose.map_or(Namespace::BASE, |module| module.namespace),
            lists: [&list, &[]],
            unique: &world.unique,
            covered: list.get(..covered).unwrap_or_default(),
            index: None,
        };
        let found = scope.find(&wanted, None, runtime.log);
        // What RTLD_DEFAULT finds stays as long as the asker does, as if a reference of it had been bound.
        if let (0, Some(asker), Some(found)) = (handle, asker, &found) {
            note_binding(roster, asker, found.module, &mut None);
        }
        let Some(found) = found else {
            let kind = Kind::NoSymbol {
                symbol: Box::from(name),
                version: version.map(Name::new),
            };
            return Err(match whose {
                Some(module) => kind.of(Stage::Call, &module.name),
                None => call_error(kind, b""),
            });
        };
        place_of(&found, roster, generation, runtime)
    })
    .unwrap_or_else(|| Err(too_early()))?;
    // Only now is code of the program called: it may load something itself, or never return.
    let address = if is_resolver {
        runtime.linux.resolve(address)
    } else {
        address
    };
    Ok(address.0 as usize)
}

/// Extends the life of a version name over a look-up that ends before the caller's string does.
fn unbounded(name: &[u8]) -> &'static [u8] {
    // SAFETY: used for one look-up inside the call that borrowed the name; no copy of the reference outlives it.
    unsafe { core::slice::from_raw_parts(name.as_ptr(), name.len()) }
}

/// Where a definition is, and whether that is a resolver that has yet to be asked.
fn place_of(found: &Definition<'_>, roster: Roster<'_>, generation: u64, runtime: &Runtime) -> Result<(Address, bool)> {
    if let Some(address) = runtime.substitutes.iter().find_map(|substitute| substitute.of(found)) {
        return Ok((address, false));
    }
    if found.symbol.kind() == STT_TLS {
        let block =
            thread::block(found.module, roster, generation).ok_or_else(|| call_error(Kind::OutOfMemory, b""))?;
        return Ok((Address(block.wrapping_add(found.symbol.value)), false));
    }
    Ok((found.address(), found.is_indirect()))
}

/// The modules that a handle means, in order, and the module in whose name they are searched.
fn search_list<'w>(
    world: &'w World,
    roster: Roster<'w>,
    handle: usize,
    asker: Option<&'w Arc<Module>>,
) -> Result<(List<'w>, Option<&'w Arc<Module>>)> {
    let named = match handle {
        0 | NEXT => None,
        _ => Some(module_of_map(world, handle).ok_or_else(|| call_error(Kind::InvalidHandle(handle as u64), b""))?),
    };
    if let Some(module) = named
        && module.role != Role::Program
    {
        // What a library brought is what it needs, in this order, unless it is a filter.
        let is_first = module.role == Role::Opened && module.group.first() == Some(&module.id);
        let list = match is_first {
            true => Cow::Borrowed(&module.group[..]),
            false => Cow::Owned(breadth_first(roster, &[module.id])),
        };
        return Ok((list, named));
    }
    let list = scope_of(world, asker.filter(|_| named.is_none()).map(Arc::as_ref));
    if handle == NEXT {
        let Some(position) = asker.and_then(|asker| list.iter().position(|id| *id == asker.id)) else {
            let kind = Kind::Unsupported("RTLD_NEXT used in code not dynamically loaded");
            return Err(call_error(kind, b""));
        };
        let rest = list.get(position + 1..).unwrap_or_default().to_vec();
        return Ok((Cow::Owned(rest), asker));
    }
    Ok((list, named.or(asker)))
}

/// Where references of a module are looked up once it runs: the global scope, then each group that it is in. A library joins the group of one
/// that is opened later and needs it.
fn scope_of<'w>(world: &'w World, asker: Option<&Module>) -> List<'w> {
    let Some(asker) = asker.filter(|asker| asker.role == Role::Opened) else {
        return Cow::Borrowed(&world.global);
    };
    let mut list = world.global.clone();
    let mut before: &[ModuleId] = &[];
    for module in world.modules.iter() {
        // The modules of a batch share one group, and stand together.
        let group = module.group.as_slice();
        if group.as_ptr() != before.as_ptr() && group.contains(&asker.id) {
            add_new(&mut list, group);
        }
        before = group;
    }
    Cow::Owned(list)
}

/// Looks up the slot with this index in DT_JMPREL of module `module`, now that it is called. Ends the process, with the line that glibc prints,
/// when nothing defines the symbol.
pub fn bind_slot(module: u64, index: u64) -> Address {
    let Some(runtime) = runtime() else {
        stop("a function slot was used before the start ended");
    };
    let id = ModuleId(u32::try_from(module).unwrap_or(u32::MAX));
    let bound = with_world(|world, roster| {
        let module = roster.get(id)?;
        let list = scope_of(world, Some(module));
        let scope = relocate::scope_of(roster, &list, &world.unique, module);
        let log = runtime.log;
        let called = slots::look_up(&scope, module, index, runtime.substitutes, log);
        if let Ok(called) = &called
            && !called.is_resolver
        {
            slots::bind(module, called, called.address);
        }
        Some(called)
    });
    match bound.flatten() {
        Some(Ok(called)) if called.is_resolver => {
            // Code of the program, which may fork, or never return: nothing is held meanwhile. Whoever closes a library while it is called must expect that its code is gone.
            let function = runtime.linux.resolve(called.address);
            with_world(|_, roster| roster.get(id).map(|module| slots::bind(module, &called, function)));
            function
        }
        Some(Ok(called)) => called.address,
        Some(Err(error)) => {
            let report = text(format_args!("{}", error.report(runtime.program.to_bytes())));
            crt::Stderr.write_bytes(report.as_bytes());
            crt::syscall::exit_group(127)
        }
        None => stop("a function slot of a module that is not loaded was used"),
    }
}
