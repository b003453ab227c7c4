//! What libc calls in its loader while the program runs: functions behind pointers in `_rtld_global_ro`, and the bodies of the exported ones.
//!
//! Each has the C signature that libc was compiled against. Those that the hook table makes unreachable stop the process with
//! their name, so that a mistake is seen rather than guessed at.
//!
//! # Safety
//! The arguments come from libc and are what the interface says: a link_map is one that lode made, a thread pointer one of a thread that does
//! not run.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_void};

use super::layout::{self, Layout};
use super::record::Record;
use crate::dl::{self, doors};
use crate::elf::segment::Access;
use crate::elf::{Address, Vaddr};
use crate::symbols::{Use, Wanted};
use crate::thread::{self, Dtv};
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
    ro.set_if(at.dl_dlfcn_hook, DLFCN_HOOK.0.as_ptr() as u64);
}

/// Addresses of functions, in memory that nobody writes.
pub struct Functions<const N: usize>([*const (); N]);

// SAFETY: the addresses of functions, which every thread may read.
unsafe impl<const N: usize> Sync for Functions<N> {}

/// `struct dlfcn_hook`: takes over every function of `dlfcn.h`, and libc's own ways to open a library. In the order of [`layout::DLFCN_HOOK`].
static DLFCN_HOOK: Functions<{ layout::DLFCN_HOOK.len() }> = Functions([
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
static DL_OPEN_HOOK: Functions<4> = Functions([
    doors::libc_dlopen_mode as *const (),
    doors::libc_dlsym as *const (),
    doors::dlclose as *const (),
    doors::libc_dlvsym as *const (),
]);

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
unsafe extern "C" fn tls_get_addr_soft(map: *const c_void) -> *mut c_void {
    dl::with_module_of_map(map as usize, thread::existing_block)
        .flatten()
        .map_or(core::ptr::null_mut(), |block| block as *mut c_void)
}

/// Up to 2.40 libc's `gettimeofday` and `time` look their vDSO function up through this, while they are resolved.
///
/// Returns the link_map and stores the symbol's address in `*reference`; null when there is none.
unsafe extern "C" fn lookup_symbol_x(
    name: *const c_char,
    map: *const c_void,
    reference: *mut *const c_void,
    _scope: *const c_void,
    _version: *const c_void,
    _class: c_int,
    _flags: c_int,
    _skip: *const c_void,
) -> *const c_void {
    // SAFETY: libc passes a C string.
    let name = unsafe { core::ffi::CStr::from_ptr(name) }.to_bytes();
    let found = dl::with_module_of_map(map as usize, |module| {
        let (index, _) = module.symbols.find(&Wanted::new(name, None, Use::Call))?;
        module.symbol_address(index)
    })
    .flatten();
    // SAFETY: libc passes the address of its pointer.
    unsafe { reference.write(found.map_or(core::ptr::null(), |address| address.0 as *const c_void)) };
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
///
/// # Safety
/// `result` must have room for the structure.
pub unsafe extern "C" fn find_object(address: *const c_void, result: *mut FindObject) -> c_int {
    let found = dl::with_module_at(Address(address as u64), |module| {
        let (start, end) = module.range();
        let (eh_frame, _) = module.layout.eh_frame_hdr?;
        Some(FindObject {
            flags: 0,
            map_start: start.0 as *const c_void,
            map_end: end.0 as *const c_void,
            link_map: module.link_map.load(core::sync::atomic::Ordering::Acquire) as *const c_void,
            eh_frame: module.at(eh_frame).0 as *const c_void,
            reserved: [0; 7],
        })
    });
    match found.flatten() {
        Some(found) => {
            // SAFETY: the caller's promise.
            unsafe { result.write(found) };
            0
        }
        None => -1,
    }
}

/// `_dl_allocate_tls(tcb)`: blocks and vector for a new thread whose stack libc has made; null when memory ran out.
///
/// # Safety
/// `tcb` is null, or the thread pointer of a thread that does not run yet, with static TLS writable below it.
pub unsafe fn allocate_tls(tcb: *mut c_void) -> *mut c_void {
    dl::prepare_malloc();
    let generation = thread::generation();
    dl::with_world(|world, roster| {
        let tcb = if tcb.is_null() {
            dl::allocate_thread_head()?
        } else {
            tcb
        };
        let dtv = Dtv::allocate(world.tls.modules, generation);
        if dtv.address() == 0 {
            return None;
        }
        // SAFETY: the head's second word is the dtv's place; the blocks lie below.
        unsafe {
            tcb.cast::<u64>().add(1).write(dtv.address());
            dl::clear_thread(tcb as u64);
            thread::StaticTls { pointer: tcb as u64 }.fill(roster, dtv);
        }
        Some(tcb)
    })
    .flatten()
    .unwrap_or(core::ptr::null_mut())
}

/// `_dl_allocate_tls_init(tcb)`: the same for a stack that was used before.
///
/// # Safety
/// As [`allocate_tls`]; the head holds the former thread's vector.
pub unsafe fn renew_tls(tcb: *mut c_void) -> *mut c_void {
    if tcb.is_null() {
        return tcb;
    }
    dl::forget_thread(tcb as u64);
    let generation = thread::generation();
    dl::with_world(|world, roster| {
        // SAFETY: the caller's promise.
        unsafe { thread::renew(tcb as u64, roster, world.tls.modules, generation) }
    })
    .flatten()
    .map_or(core::ptr::null_mut(), |_| tcb)
}

/// `_dl_deallocate_tls(tcb, free_tcb)`: a thread is gone.
///
/// # Safety
/// No thread runs on `tcb`.
pub unsafe fn deallocate_tls(tcb: *mut c_void) {
    if tcb.is_null() {
        return;
    }
    dl::forget_thread(tcb as u64);
    // SAFETY: the head's second word holds the vector.
    unsafe {
        let head = tcb.cast::<u64>();
        let dtv = head.add(1).read();
        head.add(1).write(0);
        if dtv != 0 {
            Dtv::at(dtv).release();
        }
    }
}

/// `__tunable_get_val(id, value, callback)`: stores the value with the width of its type; the callback runs if it was set explicitly.
///
/// # Safety
/// `value` must have room for the tunable's type.
pub unsafe fn tunable_get_val(id: c_int, value: *mut c_void, callback: Option<extern "C-unwind" fn(*mut c_void)>) {
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
    let mut stored = number;
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            TunableKind::Int32 => value.cast::<u32>().write(number as u32),
            TunableKind::Uint64 | TunableKind::SizeT => value.cast::<u64>().write(number),
            TunableKind::String => value.cast::<u64>().write(0),
        }
    }
    if set && let Some(callback) = callback {
        callback((&raw mut stored).cast());
    }
}

/// `__nptl_change_stack_perm(pd)`: makes a cached thread stack executable. Returns 0 or an error number.
///
/// # Safety
/// `pthread` is a struct pthread of libc.
pub unsafe fn change_stack_perm(pthread: *mut c_void) -> c_int {
    dl::with_glibc(|glibc| {
        let at = &glibc.layout.pthread;
        // SAFETY: the caller's promise.
        let record = unsafe { Record::at(pthread.cast(), at.size()) };
        let guard = record.get(at.guardsize);
        let start = record.get(at.stackblock).wrapping_add(guard);
        let length = record.get(at.stackblock_size).wrapping_sub(guard);
        let all = crt::syscall::PROT_READ | crt::syscall::PROT_WRITE | crt::syscall::PROT_EXEC;
        // SAFETY: the range is the thread's own stack.
        match unsafe { crt::syscall::mprotect(start as usize, length as usize, all) } {
            Ok(()) => 0,
            Err(errno) => errno.0,
        }
    })
    .unwrap_or(22)
}
