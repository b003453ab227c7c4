//! What libc calls in its loader while the program runs: functions behind pointers in `_rtld_global_ro`, and the bodies of the exported ones.
//!
//! Each has the C signature that libc was compiled against. Those that the hook table makes unreachable stop the process with
//! their name, so that a mistake is seen rather than guessed at.
//!
//! # Safety
//! Only where tables are placed: in what becomes read-only.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::sync::atomic::AtomicPtr;

use super::layout::{self, Layout};
use super::record::Record;
use crate::dl::{self, doors};
use crate::elf::segment::Access;
use crate::elf::{Address, Vaddr};
use crate::foreign::{Answer, Given, Text};
use crate::symbols::{Use, Wanted};
use crate::sys::linux;
use crate::thread::{self, Dtv, ThreadHead};
use crate::world::Module;

/// Stores the functions behind pointers.
pub fn fill(layout: &Layout, global: Record, ro: Record) {
    let at = &layout.rtld_global_ro;
    ro.set(at.dl_debug_printf, debug_printf as *const () as u64);
    ro.set(at.dl_mcount, mcount as *const () as u64);
    ro.set(at.dl_lookup_symbol_x, lookup_symbol_x as *const () as u64);
    ro.set(at.dl_open, behind_a_hook as *const () as u64);
    ro.set(at.dl_close, behind_a_hook as *const () as u64);
    ro.set_if(at.dl_catch_error, behind_a_hook as *const () as u64);
    ro.set_if(at.dl_error_free, nothing as *const () as u64);
    ro.set(at.dl_tls_get_addr_soft, tls_get_addr_soft as *const () as u64);
    ro.set_if(at.dl_libc_freeres, nothing as *const () as u64);
    ro.set_if(at.dl_find_object, find_object as *const () as u64);
    ro.set_if(at.dl_readonly_area, readonly_area as *const () as u64);
    // libpthread.so.0 replaces them by its own when it starts; before, there is one thread.
    for lock in [
        layout.rtld_global.dl_rtld_lock_recursive,
        layout.rtld_global.dl_rtld_unlock_recursive,
    ] {
        global.set_if(lock, nothing as *const () as u64);
    }
    ro.set_if(at.dl_dlfcn_hook, DLFCN_HOOK.as_ptr() as u64);
}

/// The address of a function. The tables of them lie in memory that is read-only when the program runs; nobody writes them before either.
type Function = AtomicPtr<()>;

/// `struct dlfcn_hook`: takes over every function of `dlfcn.h`, and libc's own ways to open a library. In the order of [`layout::DLFCN_HOOK`].
#[unsafe(link_section = ".data.rel.ro")]
static DLFCN_HOOK: [Function; layout::DLFCN_HOOK.len()] = functions([
    doors::dlopen as *const (),
    doors::dlclose as *const (),
    doors::dlsym as *const (),
    doors::dlvsym as *const (),
    dl::dlerror as *const (),
    dl::dladdr as *const (),
    dl::dladdr1 as *const (),
    dl::dlinfo as *const (),
    doors::dlmopen as *const (),
    doors::libc_dlopen_mode as *const (),
    doors::libc_dlsym as *const (),
    doors::libc_dlvsym as *const (),
    doors::dlclose as *const (),
]);

/// `struct dl_open_hook` (2.31 to 2.33): libc's own ways to open a library.
#[unsafe(link_section = ".data.rel.ro")]
static DL_OPEN_HOOK: [Function; 4] = functions([
    doors::libc_dlopen_mode as *const (),
    doors::libc_dlsym as *const (),
    doors::dlclose as *const (),
    doors::libc_dlvsym as *const (),
]);

const fn functions<const N: usize>(addresses: [*const (); N]) -> [Function; N] {
    let mut table = [const { Function::new(core::ptr::null_mut()) }; N];
    let mut index = 0;
    while index < N {
        table[index] = Function::new(addresses[index].cast_mut());
        index += 1;
    }
    table
}

/// Up to 2.33 the hooks are pointers in libc.so.6 and in libdl.so.2, which count while `_dl_init_all_dirs` is null. Only these two libraries have such names.
#[inline(never)]
pub fn set_old_hooks(layout: &Layout, module: &Module) {
    if layout.rtld_global_ro.dl_dlfcn_hook.is_some() {
        return;
    }
    let mut patch = module.image.patch();
    for (index, name) in ["_dlfcn_hook", "_dl_open_hook", "_dl_open_hook2"].iter().enumerate() {
        let table = match index {
            0 => &raw const DLFCN_HOOK as u64,
            _ => &raw const DL_OPEN_HOOK as u64,
        };
        if let Some((_, symbol)) = super::find(module, name) {
            patch.store(Vaddr(symbol.value), table);
        }
    }
}

extern "C" fn debug_printf() {}

extern "C" fn mcount() {}

extern "C" fn nothing() {}

/// The functions behind the hooks that lode sets: libc asks the hooks first.
extern "C" fn behind_a_hook() -> ! {
    dl::stop("libc called past its hooks for dlopen")
}

/// The block of a module in the calling thread, if it exists: `dl_iterate_phdr` asks this of every module.
extern "C" fn tls_get_addr_soft(map: *const c_void) -> *mut c_void {
    dl::with_module_of_map(map as usize, thread::existing_block)
        .flatten()
        .map_or(core::ptr::null_mut(), |block| block as *mut c_void)
}

/// Up to 2.40 libc's `gettimeofday` and `time` look their vDSO function up through this, while they are resolved.
///
/// Returns the link_map and stores the symbol's address in `*reference`; null when there is none.
extern "C" fn lookup_symbol_x(
    name: Text<'_>,
    map: *const c_void,
    reference: Answer<Address>,
    _scope: *const c_void,
    _version: *const c_void,
    _class: c_int,
    _flags: c_int,
    _skip: *const c_void,
) -> *const c_void {
    let found = dl::with_module_of_map(map as usize, |module| {
        let (index, _) = module.symbols.find(&Wanted::new(name.bytes()?, None, Use::Call))?;
        module.symbol_address(index)
    })
    .flatten();
    reference.put(found.unwrap_or(Address(0)));
    if found.is_some() { map } else { core::ptr::null() }
}

/// 0 when no byte of an area can be written, 1 when some can, 2 when it is in no module; 2.42 and later ask this of a format string that has a `%n`,
/// and read the maps file of the process after 2.
extern "C" fn readonly_area(start: *const c_void, size: usize) -> c_int {
    dl::with_module_at(Address(start as u64), |module| {
        let first = Vaddr((start as u64).wrapping_sub(module.image.bias().0));
        let extent = module.image.extent(first, size as u64)?;
        // RELRO is the start of a writable segment: where the last byte of the area is in it, all are.
        let last = Vaddr(first.0 + (size as u64).saturating_sub(1));
        let writable = extent.access.contains(Access::WRITE) && !module.layout.is_relro(last);
        Some(writable.into())
    })
    .flatten()
    .unwrap_or(2)
}

/// `struct dl_find_object` (glibc's public `dlfcn.h`).
#[repr(C)]
pub struct FindObject {
    flags: u64,
    map_start: *const c_void,
    map_end: *const c_void,
    link_map: *const c_void,
    eh_frame: *const c_void,
    reserved: [u64; 7],
}

/// Which module an address belongs to, and where its unwind table is: asked by unwinders for every frame. Takes no lock.
pub extern "C" fn find_object(address: *const c_void, result: Answer<FindObject>) -> c_int {
    let found = dl::with_world(|world, _| {
        let range = world
            .range_at(Address(address as u64))
            .filter(|range| range.eh_frame_hdr.0 != 0)?;
        result.put(FindObject {
            flags: 0,
            map_start: range.start.0 as *const c_void,
            map_end: range.end.0 as *const c_void,
            link_map: range.link_map as *const c_void,
            eh_frame: range.eh_frame_hdr.0 as *const c_void,
            reserved: [0; 7],
        });
        Some(())
    });
    match found.flatten() {
        Some(()) => 0,
        None => -1,
    }
}

/// `_dl_allocate_tls(tcb)`: blocks and vector for a new thread whose stack libc has made, static TLS below the pointer; null when memory ran out. Null asks
/// for a head too.
pub fn allocate_tls(tcb: Given) -> *mut c_void {
    dl::prepare_malloc();
    let generation = thread::generation();
    dl::with_world(|world, roster| {
        let head = ThreadHead::given(tcb).or_else(new_head)?;
        let dtv = Dtv::allocate(world.tls.modules, generation)?;
        dl::clear_thread(head.pointer());
        head.fill(roster, dtv);
        Some(head.pointer() as *mut c_void)
    })
    .flatten()
    .unwrap_or(core::ptr::null_mut())
}

/// A head of which libc brings none: blocks and struct pthread.
fn new_head() -> Option<ThreadHead> {
    dl::with_glibc(|glibc| {
        let ro = glibc.global_ro?;
        let at = &glibc.layout.rtld_global_ro;
        glibc.thread_memory(ro.get(at.dl_tls_static_size?), ro.get(at.dl_tls_static_align?))
    })
    .flatten()
}

/// `_dl_allocate_tls_init(tcb)`: the same for a stack that was used before; the head holds the former thread's vector.
pub fn renew_tls(tcb: Given) -> *mut c_void {
    let null = core::ptr::null_mut();
    let Some(head) = ThreadHead::given(tcb) else {
        return null;
    };
    dl::forget_thread(head.pointer());
    let generation = thread::generation();
    dl::with_world(|world, roster| head.renew(roster, world.tls.modules, generation))
        .flatten()
        .map_or(null, |()| head.pointer() as *mut c_void)
}

/// `_dl_deallocate_tls(tcb, free_tcb)`: a thread is gone.
pub fn deallocate_tls(tcb: Given) {
    if let Some(head) = ThreadHead::given(tcb) {
        dl::forget_thread(head.pointer());
        head.release();
    }
}

/// `__tunable_get_val(id, value, callback)`: stores the value with the width of its type; the callback runs if it was set explicitly.
pub fn tunable_get_val(id: c_int, value: Answer<c_void>, callback: Option<extern "C-unwind" fn(*mut c_void)>) {
    use super::layout::TunableKind;
    let Some((kind, number, set)) = dl::with_glibc(|glibc| {
        let id = usize::try_from(id).ok()?;
        let row = glibc.tunables.row(id)?;
        let (number, set) = glibc.tunables.get(id);
        Some((row.kind, number, set))
    })
    .flatten() else {
        return;
    };
    match kind {
        TunableKind::Int32 => value.of().put(number as u32),
        // The number of a text is 0: none is handed out.
        TunableKind::Uint64 | TunableKind::SizeT | TunableKind::String => value.of().put(number),
    }
    let mut stored = number;
    if set && let Some(callback) = callback {
        callback((&raw mut stored).cast());
    }
}

/// `__nptl_change_stack_perm(pd)`: makes a cached thread stack executable. Returns 0 or an error number.
pub fn change_stack_perm(pthread: Given) -> c_int {
    dl::with_glibc(|glibc| {
        let at = &glibc.layout.pthread;
        let record = Record::of(pthread.span(at.size()));
        let guard = record.get(at.guardsize);
        let start = record.get(at.stackblock).wrapping_add(guard);
        let length = record.get(at.stackblock_size).wrapping_sub(guard);
        match linux::make_executable(start as usize, length as usize, 0) {
            Ok(()) => 0,
            Err(errno) => errno.0,
        }
    })
    .unwrap_or(22)
}
