//! `Relocated` to `Awake`: the first thread, the shared structures, the list of modules. Then `__libc_early_init`.
//!
//! # Safety
//! Gives the kernel places in the memory of the first thread, which is never given back.
#![allow(unsafe_code)]

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use crt::syscall as call;

use super::cpu::CpuFacts;
use super::facts::{self, Kernel};
use super::layout::{Member, Word};
use super::maps::namespace;
use super::record::Record;
use super::{AroundFork, Exports, Functions, Glibc, entries};
use crate::elf::Vaddr;
use crate::elf::segment::Access;
use crate::error::{Fault, Kind};
use crate::foreign::Span;
use crate::image::Area;
use crate::layout::TlsTemplate;
use crate::sys::heap::refusal;
use crate::sys::linux;
use crate::thread::{Dtv, ThreadHead};
use crate::tls::TlsPlan;
use crate::world::{Module, Namespace, Role, Roster};

/// Static TLS that stays free for libraries opened later, in bytes: for each namespace (`_dl_tls_static_surplus` of glibc's loader, 2.36 to 2.43, with
/// `rtld.nns` from 1 to 16), and once for any use. By default that is 1664, which was the amount before there were tunables.
const SURPLUS_OF_NAMESPACE: u64 = 288;
/// Default of `rtld.nns`.
const NAMESPACES: u64 = 4;
/// Default of `rtld.optional_static_tls`.
const OPTIONAL: u64 = 512;

/// Signature that the kernel looks for before an abort handler of a restartable sequence (rseq(2), x86).
const RSEQ_SIGNATURE: u32 = 0x5305_3053;

/// Bytes of the rseq area as first released; the kernel takes this size from every program.
const RSEQ_SIZE: u64 = 32;

/// Bytes of that area that have a meaning since the first release: what programs are told of at least.
const RSEQ_ACTIVE: u64 = 20;

/// What waking glibc needs besides the modules.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// The kernel's facts.
    pub kernel: Kernel,
    /// The processor's facts.
    pub cpu: &'a CpuFacts,
    /// lode's data objects.
    pub exports: Exports,
    /// AT_SECURE.
    pub secure: bool,
    /// The address of argc on the initial stack.
    pub stack: u64,
    /// The address of argv.
    pub argv: u64,
    /// 16 random bytes (AT_RANDOM).
    pub random: [u64; 2],
    /// Whether new threads get an executable stack.
    pub executable_stack: bool,
    /// The order of the link map's list.
    pub order: &'a [crate::world::ModuleId],
}

/// The sizes of the first thread's memory.
struct Shape {
    /// `_dl_tls_static_size`: blocks, surplus and struct pthread.
    size: u64,
    align: u64,
    /// What of it is for libraries opened later.
    surplus: u64,
}

/// The area for restartable sequences that each thread has.
struct Rseq {
    /// From the thread pointer.
    offset: i64,
    /// What the kernel is told, in bytes.
    size: u64,
    /// What programs are told (`__rseq_size`), in bytes.
    told: u64,
    /// The tunable does not forbid it.
    wanted: bool,
}

impl Glibc {
    fn shape(&self, plan: &TlsPlan) -> Option<Shape> {
        let align = plan.align.max(64);
        let tunable = |name, default| {
            let id = self.layout.tunable_id(name);
            id.map_or(default, |id| self.tunables.get(id).0)
        };
        let namespaces = tunable(const { Word::new("rtld.nns") }, NAMESPACES);
        let surplus = (namespaces * SURPLUS_OF_NAMESPACE)
            .checked_add(tunable(const { Word::new("rtld.optional_static_tls") }, OPTIONAL))?;
        let size = plan
            .used
            .checked_add(surplus)?
            .checked_add(self.layout.pthread.size() as u64)?
            .checked_next_multiple_of(align)?;
        Some(Shape { size, align, surplus })
    }

    /// Makes the first thread and fills every structure that libc reads. From here on code of the program may run.
    ///
    /// # Errors
    /// When there is no memory, or the kernel refuses the thread pointer.
    pub fn wake(&mut self, plan: &mut TlsPlan, roster: Roster<'_>, with: &Circumstances<'_>) -> Result<(), Fault> {
        let rseq = self.place_rseq(plan, &with.kernel);
        let shape = self.shape(plan).ok_or(Kind::OutOfMemory)?;
        let pthread_size = self.layout.pthread.size() as u64;
        plan.capacity = Some(shape.size - pthread_size);
        plan.floor = plan.used;
        let memory = || Kind::os("cannot create TLS data structures", refusal());
        let head = self.thread_memory(shape.size, shape.align).ok_or_else(memory)?;
        let dtv = Dtv::allocate(plan.modules, 0).ok_or(Kind::OutOfMemory)?;
        let initial = dtv.address();
        let pthread = Record::of(head.span());
        self.fill_pthread(pthread, with);
        head.enter(roster, dtv)
            .map_err(|errno| Kind::os("cannot set %fs base address for thread-local storage", errno))?;
        let exports = &with.exports;
        let (global, global_ro) = (Record::of(exports.rtld_global), Record::of(exports.rtld_global_ro));
        if self.layout.rtld_global.size() > exports.rtld_global.size()
            || self.layout.rtld_global_ro.size() > exports.rtld_global_ro.size()
        {
            return Err(
                Kind::Unsupported("the structures of this glibc are larger than those that lode exports").into(),
            );
        }
        self.global = Some(global);
        self.global_ro = Some(global_ro);
        facts::fill(self.layout, global_ro, &with.kernel, with.cpu);
        self.fill_global_ro(global_ro, &shape, roster);
        self.fill_global(global, global_ro, &shape, plan, initial, with);
        entries::fill(self.layout, global, global_ro);
        self.register_thread(pthread);
        if let Some(rseq) = rseq {
            register_rseq(head, &rseq, exports);
        }
        self.fill_exports(with);
        self.first_maps(global, pthread, roster, plan, with)
            .ok_or_else(|| Kind::OutOfMemory.into())
    }

    /// Memory for the blocks and the struct of a thread, `size` bytes in all; the thread pointer is a multiple of `align`.
    pub fn thread_memory(&self, size: u64, align: u64) -> Option<ThreadHead> {
        ThreadHead::allocate(size, self.layout.pthread.size(), align)
    }

    fn fill_pthread(&self, pthread: Record, with: &Circumstances<'_>) {
        let at = &self.layout.pthread;
        let tcb = &self.layout.tcb;
        let pointer = pthread.address();
        pthread.set(tcb.tcb, pointer);
        pthread.set(tcb.self_pointer, pointer);
        // The stack protector's value ends a C string on purpose: its lowest byte is zero.
        pthread.set(tcb.stack_guard, with.random[0] & !0xff);
        pthread.set(tcb.pointer_guard, with.random[1]);
        if let Some(address) = pthread.address_of(at.robust_head) {
            pthread.set(at.robust_prev, address);
            pthread.set_word(at.robust_head.offset(), address);
            // Distance from a mutex's list entry to its futex word (glibc's `struct __pthread_mutex_s`, fixed by its ABI).
            pthread.set_word(at.robust_head.offset() + 8, (-32i64) as u64);
        }
        if let Some(block) = pthread.address_of(at.specific_1stblock) {
            pthread.set_word(at.specific.offset(), block);
        }
        let report = with.exports.report_events.load(Ordering::Relaxed);
        pthread.set(at.report_events, report.into());
        pthread.set_if(at.user_stack, 1);
        pthread.set_if(at.stack_mode, 2);
        pthread.set_if(at.joinstate, 2);
        pthread.set(at.stackblock_size, with.stack);
    }

    /// Tells the kernel of the thread: where to clear its id, its robust mutexes.
    fn register_thread(&self, pthread: Record) {
        let at = &self.layout.pthread;
        let clear = at.joinstate.unwrap_or(at.tid);
        if let Some(word) = pthread.shared(clear) {
            pthread.set(at.tid, call::set_tid_address(word) as u64);
        }
        if let Some(address) = pthread.address_of(at.robust_head) {
            // SAFETY: the list head was filled by `fill_pthread`. An old kernel without robust mutexes says no, as under glibc.
            let _ = unsafe { call::set_robust_list(address as usize, 24) };
        }
    }

    /// Where each thread's rseq area is. Since 2.41 it lies below the blocks of the modules, as long as the kernel wants it; libc finds it by
    /// `__rseq_offset`. `None` for a glibc without rseq, or when there is no room.
    fn place_rseq(&self, plan: &mut TlsPlan, kernel: &Kernel) -> Option<Rseq> {
        let switch = self.layout.tunable_id(const { Word::new("pthread.rseq") })?;
        let wanted = self.tunables.get(switch).0 != 0;
        if let Some(area) = self.layout.pthread.rseq_area {
            return Some(Rseq {
                offset: area.offset() as i64,
                size: RSEQ_SIZE,
                told: RSEQ_ACTIVE,
                wanted,
            });
        }
        let align = kernel.rseq_align.max(RSEQ_SIZE).checked_next_power_of_two()?;
        let size = kernel.rseq_size.max(RSEQ_SIZE);
        let below = plan.reserve(&TlsTemplate {
            vaddr: Vaddr(0),
            file_size: 0,
            memory_size: size.checked_next_multiple_of(align)?,
            align,
        })?;
        Some(Rseq {
            offset: (below as i64).wrapping_neg(),
            size,
            told: kernel.rseq_size.max(RSEQ_ACTIVE),
            wanted,
        })
    }

    fn fill_exports(&self, with: &Circumstances<'_>) {
        let exports = &with.exports;
        exports.enable_secure.store(with.secure.into(), Ordering::Relaxed);
        exports.argv.store(with.argv, Ordering::Relaxed);
        exports.stack_end.store(with.stack, Ordering::Relaxed);
    }

    fn fill_global_ro(&self, ro: Record, shape: &Shape, roster: Roster<'_>) {
        let at = &self.layout.rtld_global_ro;
        ro.set_if(at.dl_tls_static_size, shape.size);
        ro.set_if(at.dl_tls_static_align, shape.align);
        ro.set_if(at.dl_tls_static_surplus, shape.surplus);
        // Only compared and tested for null: a directory list that has no directories. Null says that the old hooks count.
        if at.dl_dlfcn_hook.is_some()
            && let Some(nothing) = Record::allocate(64)
        {
            ro.set(at.dl_init_all_dirs, nothing.address());
        }
        if let Some(vdso) = roster.iter().find(|module| module.role == Role::Vdso) {
            let function = |name: &str| vdso_function(vdso, name);
            ro.set(at.dl_vdso_clock_gettime64, function("__vdso_clock_gettime"));
            ro.set(at.dl_vdso_gettimeofday, function("__vdso_gettimeofday"));
            ro.set(at.dl_vdso_time, function("__vdso_time"));
            ro.set(at.dl_vdso_getcpu, function("__vdso_getcpu"));
            ro.set(at.dl_vdso_clock_getres_time64, function("__vdso_clock_getres"));
            ro.set_if(at.dl_vdso_getrandom, function("__vdso_getrandom"));
        }
    }

    fn fill_global(
        &self,
        global: Record,
        ro: Record,
        shape: &Shape,
        plan: &TlsPlan,
        initial_dtv: u64,
        with: &Circumstances<'_>,
    ) {
        let at = &self.layout.rtld_global;
        global.set_if(at.dl_tls_static_size, shape.size);
        global.set_if(at.dl_tls_static_align, shape.align);
        global.set(at.dl_nns, 1);
        for lock in [Some(at.dl_load_lock), Some(at.dl_load_write_lock), at.dl_load_tls_lock] {
            if let Some(mutex) = lock.and_then(|lock| global.inner(lock)) {
                mutex.set(self.layout.mutex.kind, 1);
            }
        }
        global.set(at.dl_all_dirs, ro.get(self.layout.rtld_global_ro.dl_init_all_dirs));
        let readable = (Access::READ | Access::WRITE).bits();
        let flags = if with.executable_stack {
            readable | Access::EXECUTE.bits()
        } else {
            readable
        };
        global.set_if(at.dl_stack_flags, flags.into());
        if let Some(member) = at.dl_stack_prot_flags {
            global.set(member, linux::protection(Access::from_bits_retain(flags)).into());
        }
        global.set(at.dl_tls_max_dtv_idx, plan.modules);
        global.set(at.dl_initial_dtv, initial_dtv);
        for list in [&at.dl_stack_used, &at.dl_stack_user, &at.dl_stack_cache] {
            if let Some(head) = list.and_then(|list| global.inner(list)) {
                let place = &self.layout.list;
                head.set(place.next, head.address());
                head.set(place.prev, head.address());
            }
        }
    }

    /// The link_maps of the start, in list order: the program, the vDSO, then breadth-first.
    fn first_maps(
        &self,
        global: Record,
        pthread: Record,
        roster: Roster<'_>,
        plan: &TlsPlan,
        with: &Circumstances<'_>,
    ) -> Option<()> {
        let mut maps = Vec::with_capacity(with.order.len());
        for id in with.order {
            maps.push(self.map_of(roster.get(*id)?, roster)?);
        }
        self.chain(None, &maps);
        let namespace = namespace(self.layout, global, Namespace::BASE)?;
        let at = &self.layout.link_namespaces;
        let first = maps.first()?;
        namespace.set(at.ns_loaded, first.address());
        namespace.set(at.ns_nloaded, maps.len() as u64);
        if let Some(vdso) = roster.iter().find(|module| module.role == Role::Vdso)
            && let Some(ro) = self.global_ro
        {
            let map = vdso.link_map.load(Ordering::Relaxed) as u64;
            ro.set(self.layout.rtld_global_ro.dl_sysinfo_map, map);
        }
        let libc = roster.get(self.libc)?;
        namespace.set_if(at.libc_map, libc.link_map.load(Ordering::Relaxed) as u64);
        global.set(self.layout.rtld_global.dl_load_adds, maps.len() as u64);
        self.search_list(*first, namespace, &maps);
        self.slot_info(global, roster, plan.modules)?;
        let user = self.layout.rtld_global.dl_stack_user;
        if let Some(list) = user {
            self.join_list(global, list, pthread);
        }
        Some(())
    }

    /// The program's search list, which libc reaches as the namespace's main one.
    fn search_list(&self, first: Record, namespace: Record, maps: &[Record]) {
        let at = &self.layout.scope_elem;
        let list: Vec<u64> = maps.iter().map(|map| map.address()).collect();
        let count = list.len() as u64;
        if let Some(scope) = first.inner(self.layout.link_map.l_searchlist) {
            scope.set(at.r_list, list.leak().as_ptr() as u64);
            scope.set(at.r_nlist, count);
            namespace.set(self.layout.link_namespaces.ns_main_searchlist, scope.address());
        }
    }

    /// Modules with TLS by number, for debuggers: a list of one part with room for what is opened later.
    fn slot_info(&self, global: Record, roster: Roster<'_>, modules: u64) -> Option<()> {
        let at = &self.layout.dtv_slotinfo_list;
        let element = &self.layout.dtv_slotinfo;
        let length = modules as usize + 64;
        let list = Record::allocate(at.slotinfo.offset() + (length + 1) * element.size())?;
        list.set(at.len, length as u64 + 1);
        for module in roster.iter() {
            self.note_slot(list, module, module.link_map.load(Ordering::Relaxed) as u64);
        }
        global.set(self.layout.rtld_global.dl_tls_dtv_slotinfo_list, list.address());
        Some(())
    }

    /// Notes a module's link_map, or 0 when it goes, under its TLS number.
    pub fn note_slot(&self, list: Record, module: &Module, map: u64) {
        let at = &self.layout.dtv_slotinfo_list;
        let element = &self.layout.dtv_slotinfo;
        if let Some(slot) = module.tls()
            && slot.id < list.get(at.len)
            && let Some(part) = list.part(at.slotinfo.offset() + slot.id as usize * element.size(), element.size())
        {
            part.set(element.map, map);
        }
    }

    /// Links the first thread into a list of threads.
    fn join_list(&self, global: Record, list: Member, pthread: Record) {
        let (Some(head), Some(node)) = (global.inner(list), pthread.inner(self.layout.pthread.list)) else {
            return;
        };
        let at = &self.layout.list;
        for (from, to) in [(head, node), (node, head)] {
            from.set(at.next, to.address());
            from.set(at.prev, to.address());
        }
    }

    /// Wakes a copy of libc.so.6, the first (`initial`) or that of another namespace: every resolver has run, no constructor has.
    pub fn early_init(functions: &Functions, initial: bool, around_fork: &AroundFork) {
        if let Some(function) = functions.early_init {
            // Since 2.32; its argument says whether the copy is the first.
            function.call([initial.into(), 0, 0, 0]);
        }
        if let Some(register) = functions.register_atfork {
            let AroundFork {
                before,
                after,
                in_the_child,
            } = *around_fork;
            // The last argument names the object whose closing would take the handlers back. When libc has no memory, a fork in a process with threads
            // is less safe, as it is under other loaders.
            register.call([before as usize, after as usize, in_the_child as usize, 0]);
        }
    }
}

/// Tells the kernel of the first thread's area for restartable sequences, and the program whether it took it.
fn register_rseq(head: ThreadHead, rseq: &Rseq, exports: &Exports) {
    let address = head.pointer().wrapping_add_signed(rseq.offset);
    // SAFETY: in the memory of the first thread, in its struct or where the plan reserved it below the pointer; aligned, and nothing else uses it.
    let area = Span::from(unsafe { Area::at(address as *mut u8, rseq.size as usize) });
    // cpu_id: -1 not registered yet, -2 registration failed.
    area.store(4, -1i32 as u32);
    // SAFETY: all but that is zero. The area lives as long as the thread, and its size is the kernel's own.
    let register = || unsafe { call::rseq(address as usize, rseq.size as u32, 0, RSEQ_SIGNATURE) };
    let told = if rseq.wanted && register().is_ok() {
        rseq.told as u32
    } else {
        area.store(4, -2i32 as u32);
        0
    };
    exports.rseq_size.store(told, Ordering::Relaxed);
    exports.rseq_offset.store(rseq.offset, Ordering::Relaxed);
}

#[inline(never)]
fn vdso_function(vdso: &Module, name: &str) -> u64 {
    super::find(vdso, name).map_or(0, |(_, symbol)| vdso.at(Vaddr(symbol.value)).0)
}
