//! A link_map for each module: what libc, debuggers and unwinders walk.
//!
//! The first five members are public (`link.h`); the rest is where the row says. The dynamic section of a module is relocated in place where
//! it is writable, because libc's symboliser and programs that walk `l_ld` take its addresses as run-time addresses.
//!
//! # Safety
//! A module's link_map is memory that the module owns. The blocks of a thread that runs are written where libc has left room for what comes later.
#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use crt::syscall as call;

use super::layout::Layout;
use super::record::Record;
use super::{Glibc, entries};
use crate::debugger;
use crate::dl;
use crate::elf::dynamic::tag;
use crate::elf::segment::Access;
use crate::elf::{Address, Vaddr, dynamic::Dyn};
use crate::image::Memory;
use crate::thread;
use crate::world::{Module, Namespace, Role, Roster};

/// `l_type` (glibc's `link.h`).
const EXECUTABLE: u8 = 0;
const LIBRARY: u8 = 1;
const LOADED: u8 = 2;

/// Whether the value of a tag is an address that glibc's loader adds the load bias to.
fn is_address(tag: u64) -> bool {
    matches!(
        tag,
        tag::HASH
            | tag::PLTGOT
            | tag::STRTAB
            | tag::SYMTAB
            | tag::RELA
            | tag::REL
            | tag::JMPREL
            | tag::VERSYM
            | tag::GNU_HASH
            | tag::RELR
    )
}

impl Glibc {
    /// Makes the link_map of a module. `None` when memory ran out.
    pub fn map_of(&self, module: &Module, roster: Roster<'_>) -> Option<Record> {
        let layout = self.layout;
        let at = &layout.link_map;
        let name = if module.role == Role::Program {
            b""
        } else {
            module.name.bytes()
        };
        // One piece of memory, which goes with the module: link_map, name list, and the two names.
        let soname = module.soname.unwrap_or(name);
        let libname_at = at.size().next_multiple_of(16);
        let name_at = libname_at + layout.libname.size();
        debugger::NAME_PLACE.store(name_at - debugger::LINK_MAP, Ordering::Relaxed);
        let soname_at = name_at + name.len() + 1;
        let size = soname_at + soname.len() + 1;
        let memory = Memory::zeroed(size)?;
        module.link_map.store(memory.base().addr(), Ordering::Release);
        *module.records.lock() = Some(memory);
        let map = Record::of(debugger::map_of(module, size));
        map.set_bytes(name_at, name);
        map.set_bytes(soname_at, soname);
        let libname = map.part(libname_at, layout.libname.size())?;
        let name = map.address() + name_at as u64;
        map.set(at.l_addr, module.image.bias().0);
        map.set(at.l_name, name);
        map.set(at.l_real, map.address());
        map.set(at.l_ns, module.namespace.0.into());
        libname.set(layout.libname.name, map.address() + soname_at as u64);
        libname.set(layout.libname.dont_free, 1);
        map.set(at.l_libname, libname.address());
        self.set_dynamic(map, module);
        self.set_headers(map, module);
        self.set_symbols(map, module);
        self.set_tls(map, module);
        let (start, end) = module.range();
        map.set(at.l_map_start, start.0);
        map.set(at.l_map_end, end.0);
        map.set_if(at.l_text_end, end.0);
        map.set_bits(
            at.l_type,
            match module.role {
                Role::Program => EXECUTABLE,
                Role::Opened => LOADED,
                _ => LIBRARY,
            },
        );
        for bits in [at.l_relocated, at.l_init_called, at.l_global, at.l_contiguous] {
            map.set_bits(bits, 1);
        }
        map.set(at.l_flags, module.dynamic.flags.bits());
        map.set(at.l_flags_1, module.dynamic.flags_1.bits());
        if let Some((relro, size)) = module.layout.relro {
            map.set(at.l_relro_addr, relro.0);
            map.set(at.l_relro_size, size);
        }
        if let Some(asker) = module.asked_by.and_then(|id| roster.get(id)) {
            map.set(at.l_loader, asker.link_map.load(Ordering::Relaxed) as u64);
        }
        entries::set_old_hooks(layout, module);
        Some(map)
    }

    /// `l_ld`, `l_info`, and the dynamic section's addresses where it can be written.
    fn set_dynamic(&self, map: Record, module: &Module) {
        let at = &self.layout.link_map;
        let Some((start, size)) = module.layout.dynamic else {
            return;
        };
        let address = module.at(start);
        map.set(at.l_ld, address.0);
        let Some(entries) = module.image.table::<Dyn>(start, (size / 16) as usize) else {
            return;
        };
        let bias = module.image.bias();
        let writable = !module.is_final
            && module
                .image
                .extent(start, size)
                .is_some_and(|extent| extent.access.contains(Access::WRITE));
        if let Some(bits) = at.l_ld_readonly {
            map.set_bits(bits, u8::from(!writable));
        }
        let mut patch = module.image.patch();
        let mut count = 0;
        for (index, entry) in entries.iter().enumerate() {
            if entry.tag == tag::NULL {
                break;
            }
            count = index as u64 + 1;
            let place = start.0 + index as u64 * 16;
            // GNU ld writes a DT_INIT of 0 into some programs; libc would call it.
            let absent = entry.value == 0 && matches!(entry.tag, tag::INIT | tag::FINI);
            if let Some(slot) = self.layout.info_index(entry.tag).filter(|_| !absent) {
                map.set_word(at.l_info.offset() + slot * 8, place.wrapping_add(bias.0));
            }
            if writable && is_address(entry.tag) {
                patch.store(Vaddr(place + 8), entry.value.wrapping_add(bias.0));
            }
        }
        map.set(at.l_ldnum, count);
    }

    fn set_headers(&self, map: Record, module: &Module) {
        let at = &self.layout.link_map;
        if let Some(phdr) = module.layout.phdr {
            map.set(at.l_phdr, module.at(phdr).0);
            map.set(at.l_phnum, module.headers.len() as u64);
        }
        map.set(at.l_entry, module.at(module.layout.entry).0);
    }

    /// What libc's symboliser (`_dl_addr`) reads.
    fn set_symbols(&self, map: Record, module: &Module) {
        let at = &self.layout.link_map;
        let bias = module.image.bias();
        if let Some(versym) = module.dynamic.versym {
            map.set(at.l_versyms, versym.at(bias).0);
        }
        if let Some(hash) = module.dynamic.gnu_hash {
            // nbuckets, symoffset, bloom_size, bloom_shift; bloom words; buckets; chains.
            let Some(header) = module.image.table::<u32>(hash, 4) else {
                return;
            };
            let word = |index| u64::from(header.get(index).unwrap_or(0));
            let buckets = hash.0 + 16 + word(2) * 8;
            let chains = buckets + word(0) * 4;
            map.set(at.l_nbuckets, word(0));
            map.set(at.l_gnu_buckets, buckets.wrapping_add(bias.0));
            map.set(
                at.l_gnu_chain_zero,
                chains.wrapping_sub(word(1) * 4).wrapping_add(bias.0),
            );
        } else if let Some(hash) = module.dynamic.hash {
            let Some(header) = module.image.table::<u32>(hash, 2) else {
                return;
            };
            let buckets = u64::from(header.get(0).unwrap_or(0));
            map.set(at.l_nbuckets, buckets);
            // The two members share their places with the GNU table's, in the other order (glibc's `link.h`).
            let first = hash.0 + 8;
            map.set(at.l_gnu_chain_zero, first.wrapping_add(bias.0));
            map.set(at.l_gnu_buckets, (first + buckets * 4).wrapping_add(bias.0));
        }
    }

    fn set_tls(&self, map: Record, module: &Module) {
        let at = &self.layout.link_map;
        let (Some(template), Some(slot)) = (module.layout.tls, module.tls()) else {
            return;
        };
        map.set(at.l_tls_initimage, module.at(template.vaddr).0);
        map.set(at.l_tls_initimage_size, template.file_size);
        map.set(at.l_tls_blocksize, template.memory_size);
        map.set(at.l_tls_align, template.align);
        map.set(
            at.l_tls_firstbyte_offset,
            template.vaddr.0 & (template.align.max(1) - 1),
        );
        map.set(at.l_tls_offset, slot.offset.unwrap_or(u64::MAX));
        map.set(at.l_tls_modid, slot.id);
    }

    /// Links the maps of new modules behind the last one.
    pub fn chain(&self, previous: Option<Record>, maps: &[Record]) {
        let at = &self.layout.link_map;
        let mut last = previous;
        for map in maps {
            map.set(at.l_prev, last.map_or(0, Record::address));
            map.set(at.l_next, 0);
            if let Some(last) = last {
                last.set(at.l_next, map.address());
            }
            last = Some(*map);
        }
    }
}

/// The link_map of a module, with what goes with it: `size` bytes in all; `None` before it is made.
fn record_of(module: &Module, size: usize) -> Option<Record> {
    let map = Record::of(debugger::map_of(module, size));
    map.is_there().then_some(map)
}

/// libc's lock over the lists of threads, which `fork` resets in the child: 0 free, 1 taken, 2 taken and waited for.
struct StackLock(&'static AtomicU32);

impl StackLock {
    /// `word` is the member of `_rtld_global` that the row calls the lock.
    fn take(word: &'static AtomicU32) -> StackLock {
        while word
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            call::sched_yield();
        }
        StackLock(word)
    }
}

impl Drop for StackLock {
    fn drop(&mut self) {
        if self.0.swap(0, Ordering::Release) == 2 {
            // A thread of libc sleeps. Waking it cannot fail.
            let _ = call::futex_wake(self.0, 1);
        }
    }
}

impl Glibc {
    /// Fills the static blocks of modules that were opened late, in every thread that libc knows.
    ///
    /// The lists of threads are libc's own; its lock over them is held meanwhile.
    pub fn fill_threads(&self, modules: &[Arc<Module>]) {
        let is_static = |module: &Arc<Module>| module.tls().is_some_and(|slot| slot.offset.is_some());
        if !modules.iter().any(is_static) {
            return;
        }
        let Some(global) = self.global else { return };
        let at = &self.layout.rtld_global;
        if let Some(member) = at.dl_init_static_tls {
            self.fill_threads_of_libpthread(global.get(member), modules);
            return;
        }
        let _lock = at
            .dl_stack_cache_lock
            .and_then(|lock| global.shared(lock).map(StackLock::take));
        for list in [&at.dl_stack_used, &at.dl_stack_user] {
            let Some(head) = list.and_then(|list| global.inner(list)) else {
                continue;
            };
            let list = &self.layout.list;
            let mut node = head;
            loop {
                node = node.follow(list.next, list.size());
                if !node.is_there() || node.address() == head.address() {
                    break;
                }
                let pointer = node.address() - self.layout.pthread.list.offset() as u64;
                for module in modules {
                    // SAFETY: a thread of libc's list, whose surplus below the pointer belongs to nobody yet.
                    unsafe { thread::fill_other(pointer, module) };
                }
            }
        }
    }

    /// As [`Glibc::fill_threads`] up to 2.33, where the lists are libpthread's: it has left a function. Without it there is one thread.
    fn fill_threads_of_libpthread(&self, function: u64, modules: &[Arc<Module>]) {
        if function == 0 {
            return modules.iter().for_each(|module| thread::fill_own(module));
        }
        let Some(function) = dl::code_at(Address(function)) else {
            return;
        };
        for module in modules {
            if module.tls().is_some_and(|slot| slot.offset.is_some()) {
                function.call([module.link_map.load(Ordering::Relaxed), 0, 0, 0]);
            }
        }
    }

    /// Appends the maps of a batch to the list of its namespace, which libc and debuggers walk, and which ends with the link_map at `last`.
    pub fn adopt(&self, last: u64, maps: &[Record], number: Namespace, tls_modules: u64, modules: &[Arc<Module>]) {
        let Some(global) = self.global else { return };
        let (Some(namespace), Some(first)) = (namespace(self.layout, global, number), maps.first()) else {
            return;
        };
        let at = &self.layout.link_namespaces;
        let last = Record::of(debugger::memory(last, self.layout.link_map.size()));
        self.chain(Some(last).filter(|last| last.is_there()), maps);
        if !last.is_there() {
            namespace.set(at.ns_loaded, first.address());
        }
        namespace.set(at.ns_nloaded, namespace.get(at.ns_nloaded) + maps.len() as u64);
        let members = &self.layout.rtld_global;
        global.set(members.dl_nns, global.get(members.dl_nns).max(u64::from(number.0) + 1));
        global.set(
            members.dl_load_adds,
            global.get(members.dl_load_adds) + maps.len() as u64,
        );
        global.set(members.dl_tls_max_dtv_idx, tls_modules);
        let list = self.slot_list(global);
        for module in modules {
            self.note_slot(list, module, module.link_map.load(Ordering::Relaxed) as u64);
        }
    }
}

impl Glibc {
    /// How many destructors of thread-local objects libc has still to call in a module (`__cxa_thread_atexit_impl` counts them).
    pub fn thread_destructors(&self, module: &Module) -> u64 {
        let at = &self.layout.link_map;
        record_of(module, at.size()).map_or(0, |map| map.get(at.l_tls_dtor_count))
    }

    /// Takes the maps of modules that are going out of the list that libc and debuggers walk, and their TLS numbers out of libc's list.
    pub fn forget(&self, gone: &[Arc<Module>], tls_modules: u64) {
        let Some(global) = self.global else { return };
        let at = &self.layout.link_map;
        for module in gone {
            let namespace = namespace(self.layout, global, module.namespace);
            let (Some(namespace), Some(map)) = (namespace, record_of(module, at.size())) else {
                continue;
            };
            let (next, previous) = (map.get(at.l_next), map.get(at.l_prev));
            // Those of modules that went before are out of the list.
            map.follow(at.l_next, at.size()).set(at.l_prev, previous);
            map.follow(at.l_prev, at.size()).set(at.l_next, next);
            let lists = &self.layout.link_namespaces;
            if previous == 0 {
                namespace.set(lists.ns_loaded, next);
            }
            namespace.set(lists.ns_nloaded, namespace.get(lists.ns_nloaded).saturating_sub(1));
            self.note_slot(self.slot_list(global), module, 0);
        }
        global.set(self.layout.rtld_global.dl_tls_max_dtv_idx, tls_modules);
    }

    /// libc's list of modules with TLS: the one element that `start` made, with room for libraries opened later.
    fn slot_list(&self, global: Record) -> Record {
        let list = self.layout.rtld_global.dl_tls_dtv_slotinfo_list;
        let head = &self.layout.dtv_slotinfo_list;
        // Its first member is its length, which says how much more there is.
        let length = global.follow(list, head.slotinfo.offset()).get(head.len) as usize;
        global.follow(list, head.slotinfo.offset() + length * self.layout.dtv_slotinfo.size())
    }
}

/// The element of `_dl_ns` for a namespace.
pub fn namespace(layout: &Layout, global: Record, number: Namespace) -> Option<Record> {
    let size = layout.link_namespaces.size();
    global.part(layout.rtld_global.dl_ns.offset() + usize::from(number.0) * size, size)
}
