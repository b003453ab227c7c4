//! The dynamic half of thread-local storage: a thread's vector of blocks (dtv), static blocks filled, dynamic blocks made on first touch.
//!
//! A dtv is an array of pairs. Pair 0 holds the generation, pair *m* the block of module *m* and a pointer that libc may free with
//! the thread; the word two before pair 0 holds the number of pairs (TLS ABI, section 3.4.1; the order is glibc's, because its libc and
//! its debugger library read it). Before that lie two words of lode's own: the capacity and the list of dynamic blocks.
//!
//! When a library goes, its blocks stay in every thread's dtv, and its number may be given to another library. So the generation of the process
//! ([`GENERATION`]) moves on with each library that goes, and a thread whose dtv is behind looks through it ([`catch_up`]) before it
//! believes a pair.
//!
//! # Safety
//! A dtv belongs to one thread. It is written by that thread, or by its creator before the thread runs.
#![allow(unsafe_code)]

use alloc::alloc::{Layout as Shape, alloc_zeroed, dealloc};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::sys::{linux, machine};
use crate::world::{Module, ModuleId, Roster, TlsSlot};

/// How often libraries with thread-local storage were unloaded. Moves on after the world without the library is published; whoever makes a
/// dtv or looks through one notes the number *before* it looks at the world.
pub static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The value of a pair whose block does not exist yet.
const UNALLOCATED: u64 = u64::MAX;

/// Words before pair 0: lode's capacity and list, then libc's number of pairs and a pad.
const HEAD: usize = 4;

/// Pairs that a dtv has beyond those in use, for libraries opened later.
const SPARE: u64 = 14;

/// Blocks from this size on are mappings of their own rather than parts of lode's heap, in bytes.
const OWN_MAPPING: usize = 64 * 1024;

/// A thread's vector of blocks, by the address of pair 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtv(*mut u64);

/// What stands before a dynamic block, so that it can be found and given back.
#[repr(C)]
struct Header {
    next: *mut Header,
    /// Whose block it is, and the number that this module has.
    owner: ModuleId,
    number: u64,
    /// First byte and length of the memory that holds header and block.
    base: usize,
    length: usize,
    /// What it was asked from the heap with; `None` for a mapping of its own.
    shape: Option<Shape>,
}

impl Dtv {
    fn shape(pairs: u64) -> Option<Shape> {
        let words = usize::try_from(pairs)
            .ok()?
            .checked_add(1)?
            .checked_mul(2)?
            .checked_add(HEAD)?;
        Shape::array::<u64>(words).ok()?.align_to(16).ok()
    }

    /// A vector with room for `modules` and some more, of the generation that was read before the modules were counted. Null when there is
    /// no memory.
    pub fn allocate(modules: u64, generation: u64) -> Dtv {
        let pairs = modules + SPARE;
        let Some(shape) = Dtv::shape(pairs) else {
            return Dtv(core::ptr::null_mut());
        };
        // SAFETY: the shape is not empty. The words before pair 0 are part of it.
        unsafe {
            let base: *mut u64 = alloc_zeroed(shape).cast();
            if base.is_null() {
                return Dtv(base);
            }
            base.write(pairs);
            let first = base.add(HEAD);
            first.sub(2).write(pairs);
            let dtv = Dtv(first);
            dtv.set_generation(generation);
            for module in 1..=pairs {
                dtv.set(module, UNALLOCATED);
            }
            dtv
        }
    }

    /// The vector at an address that [`Dtv::address`] gave.
    ///
    /// # Safety
    /// It must not have been released.
    pub unsafe fn at(address: u64) -> Dtv {
        Dtv(address as *mut u64)
    }

    /// The address of pair 0: what the thread's head holds. 0 when the allocation failed.
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    fn pairs(self) -> u64 {
        // SAFETY: the word two before pair 0 exists in every dtv.
        unsafe { self.0.sub(2).read() }
    }

    fn blocks(self) -> *mut *mut Header {
        // SAFETY: lode's second word exists in every dtv.
        unsafe { self.0.sub(HEAD - 1).cast() }
    }

    fn generation(self) -> u64 {
        // SAFETY: pair 0 exists in every dtv.
        unsafe { self.0.read() }
    }

    fn set_generation(self, generation: u64) {
        // SAFETY: as in `generation`.
        unsafe { self.0.write(generation) };
    }

    fn get(self, module: u64) -> u64 {
        if module == 0 || module > self.pairs() {
            return UNALLOCATED;
        }
        // SAFETY: the pair exists.
        unsafe { self.0.add(module as usize * 2).read() }
    }

    fn set(self, module: u64, block: u64) {
        if module == 0 || module > self.pairs() {
            return;
        }
        // SAFETY: the pair exists. Its second word stays null: libc must not free what is lode's.
        unsafe {
            self.0.add(module as usize * 2).write(block);
            self.0.add(module as usize * 2 + 1).write(0);
        }
    }

    /// Gives back the dynamic blocks that `is_over` names.
    fn release_blocks(self, is_over: impl Fn(&Header) -> bool) {
        // SAFETY: the list holds blocks that `dynamic_block` made and linked here; each is given back the way it was got.
        unsafe {
            let mut link = self.blocks();
            let mut next = link.read_unaligned();
            while !next.is_null() {
                let header = next.read_unaligned();
                if is_over(&header) {
                    link.write_unaligned(header.next);
                    give_back(&header);
                } else {
                    link = &raw mut (*next).next;
                }
                next = header.next;
            }
        }
    }

    /// Gives back the vector and every dynamic block.
    ///
    /// # Safety
    /// The thread is dead, or has another vector.
    pub unsafe fn release(self) {
        if self.0.is_null() {
            return;
        }
        self.release_blocks(|_| true);
        self.release_vector();
    }

    fn release_vector(self) {
        // SAFETY: made by `allocate` with the shape of the capacity that it noted.
        unsafe {
            let base = self.0.sub(HEAD);
            if let Some(shape) = Dtv::shape(base.read()) {
                dealloc(base.cast(), shape);
            }
        }
    }
}

impl Header {
    /// The address of the block behind the header at `place`.
    fn block(&self, place: *mut Header) -> u64 {
        place as u64 + size_of::<Header>() as u64
    }
}

fn give_back(header: &Header) {
    match header.shape {
        // SAFETY: allocated with this shape.
        Some(shape) => unsafe { dealloc(header.base as *mut u8, shape) },
        None => {
            // SAFETY: a mapping that `dynamic_block` made for this block alone. One that cannot be given back stays.
            let _ = unsafe { crt::syscall::munmap(header.base, header.length) };
        }
    }
}

/// The static blocks below one thread pointer.
#[derive(Clone, Copy, Debug)]
pub struct StaticTls {
    /// The thread pointer.
    pub pointer: u64,
}

impl StaticTls {
    /// Copies the image of every module with a static place, and notes the blocks in the dtv.
    ///
    /// # Safety
    /// As many bytes as the plan has taken must be writable below the pointer, and no thread runs on it yet.
    pub unsafe fn fill(self, roster: Roster<'_>, dtv: Dtv) {
        for module in roster.iter() {
            // SAFETY: the caller's promise.
            if let Some(block) = unsafe { self.fill_one(module) }
                && let Some(slot) = module.tls()
            {
                dtv.set(slot.id, block);
            }
        }
    }

    /// As [`StaticTls::fill`], one module. Returns its block's address.
    ///
    /// # Safety
    /// As [`StaticTls::fill`].
    pub unsafe fn fill_one(self, module: &Module) -> Option<u64> {
        let block = self.pointer.wrapping_sub(module.tls()?.offset?);
        // SAFETY: the plan gave the module `memory_size` bytes here.
        unsafe {
            let (behind, zeros) = copy_image(module, block as *mut u8)?;
            core::ptr::write_bytes(behind, 0, zeros);
        }
        Some(block)
    }
}

/// Copies the initial bytes of a module's TLS image to `block`; returns where zeros belong behind them, and how many (gABI, PT_TLS).
///
/// # Safety
/// As many bytes as the image has must be writable at `block` and not in use.
unsafe fn copy_image(module: &Module, block: *mut u8) -> Option<(*mut u8, usize)> {
    let template = module.layout.tls?;
    let file_size = template.file_size as usize;
    let zeros = (template.memory_size as usize).checked_sub(file_size)?;
    // SAFETY: the source is checked by the image, the destination promised by the caller.
    unsafe {
        if file_size != 0 {
            let image = module.image.host_range(template.vaddr, template.file_size)?;
            core::ptr::copy_nonoverlapping(image, block, file_size);
        }
        Some((block.add(file_size), zeros))
    }
}

/// Distance from the word behind the thread pointer of the one that holds the address of lode's vector. glibc and programs without libc keep it in the former;
/// musl has a vector of its own there, so that lode's stands among lode's words, and does not exist before a block is asked for.
pub static VECTOR_PLACE: AtomicU64 = AtomicU64::new(0);

fn place_of_vector() -> *mut u64 {
    let place = machine::thread_pointer()
        .wrapping_add(VECTOR_PLACE.load(Ordering::Relaxed))
        .wrapping_add(8);
    place as *mut u64
}

/// The calling thread's dtv.
fn current() -> Dtv {
    // SAFETY: the word is part of every thread, and its owner is this one.
    Dtv(unsafe { place_of_vector().read() } as *mut u64)
}

/// The calling thread's dtv, which is made if there is none.
fn current_or_new(roster: Roster<'_>, generation: u64) -> Option<Dtv> {
    let dtv = current();
    if !dtv.0.is_null() {
        return Some(dtv);
    }
    let modules = roster.iter().filter_map(|module| Some(module.tls()?.id)).max();
    let dtv = Dtv::allocate(modules.unwrap_or(0), generation);
    // SAFETY: as in `current`.
    unsafe { place_of_vector().write(dtv.address()) };
    crate::dl::announce_thread();
    (!dtv.0.is_null()).then_some(dtv)
}

/// Gives back the blocks of the calling thread, which ends. What it asks for from now on is made again.
pub fn release_own() {
    let dtv = current();
    // SAFETY: as in `current`.
    unsafe { place_of_vector().write(0) };
    // SAFETY: the vector is no longer the thread's.
    unsafe { dtv.release() };
}

/// The block of a module in the calling thread if it exists already.
pub fn existing_block(module: &Module) -> Option<u64> {
    let slot = module.tls()?;
    if let Some(offset) = slot.offset {
        return Some(machine::thread_pointer().wrapping_sub(offset));
    }
    let dtv = current();
    if dtv.0.is_null() {
        return None;
    }
    let is_current = dtv.generation() == generation();
    let block = dtv.get(slot.id);
    let exists = block != UNALLOCATED && block != 0;
    (exists && (is_current || undisturbed(|| is_of(block, module, slot)))).then_some(block)
}

/// Calls `body` while signals wait: a handler may touch thread-local variables, which changes the vector and the list of blocks.
fn undisturbed<T>(body: impl FnOnce() -> T) -> T {
    let mask = crt::syscall::signal_mask(crt::syscall::SIG_SETMASK, u64::MAX);
    let result = body();
    if let Ok(mask) = mask {
        // Restoring a mask that the kernel gave cannot fail.
        let _ = crt::syscall::signal_mask(crt::syscall::SIG_SETMASK, mask);
    }
    result
}

/// Whether a block that a pair of the calling thread names is this module's, and not that of one that had its number before.
fn is_of(block: u64, module: &Module, slot: TlsSlot) -> bool {
    match slot.offset {
        Some(offset) => block == machine::thread_pointer().wrapping_sub(offset),
        None => {
            // SAFETY: the word holds the list's first header or null.
            let mut next = unsafe { current().blocks().read() };
            while !next.is_null() {
                // SAFETY: the list holds headers that `dynamic_block` made.
                let header = unsafe { next.read_unaligned() };
                if header.block(next) == block {
                    return header.owner == module.id;
                }
                next = header.next;
            }
            false
        }
    }
}

/// Takes out of the calling thread's vector what modules that are gone left there, so that it is of `generation`, which was read
/// before the roster.
fn catch_up(roster: Roster<'_>, generation: u64) {
    let dtv = current();
    if dtv.generation() >= generation {
        return;
    }
    for number in 1..=dtv.pairs() {
        let block = dtv.get(number);
        let stays = roster.by_tls_number(number).is_some_and(|module| {
            let slot = module.tls();
            slot.is_some_and(|slot| is_of(block, module, slot))
        });
        if !stays {
            dtv.set(number, UNALLOCATED);
        }
    }
    dtv.release_blocks(|header| {
        roster
            .by_tls_number(header.number)
            .is_none_or(|module| module.id != header.owner)
    });
    dtv.set_generation(generation);
}

/// Gives back the calling thread's block of a module that nobody else has, which resolvers touched before it was published.
pub fn forget(module: &Module) {
    let dtv = current();
    if let Some(slot) = module.tls()
        && !dtv.0.is_null()
    {
        undisturbed(|| {
            dtv.set(slot.id, UNALLOCATED);
            dtv.release_blocks(|header| header.owner == module.id);
        });
    }
}

/// The generation of the process; see [`GENERATION`].
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// The block of a module in the calling thread, made now if it does not exist; `generation` was read before the roster. `None` when there
/// is no memory.
pub fn block(module: &Module, roster: Roster<'_>, generation: u64) -> Option<u64> {
    undisturbed(|| {
        current_or_new(roster, generation)?;
        catch_up(roster, generation);
        block_now(module)
    })
}

fn block_now(module: &Module) -> Option<u64> {
    let slot = module.tls()?;
    let mut dtv = current();
    let known = dtv.get(slot.id);
    if known != UNALLOCATED && known != 0 {
        return Some(known);
    }
    if slot.id > dtv.pairs() {
        dtv = grow(dtv, slot.id)?;
    }
    let block = match slot.offset {
        Some(offset) => machine::thread_pointer().wrapping_sub(offset),
        None => dynamic_block(dtv, module)?,
    };
    dtv.set(slot.id, block);
    Some(block)
}

/// A longer vector for the calling thread with what the old one held.
fn grow(old: Dtv, module: u64) -> Option<Dtv> {
    let new = Dtv::allocate(module.checked_add(old.pairs())?, old.generation());
    if new.0.is_null() {
        return None;
    }
    for module in 1..=old.pairs() {
        new.set(module, old.get(module));
    }
    // SAFETY: both vectors are this thread's; the head's second word is where libc keeps the vector.
    unsafe {
        new.blocks().write(old.blocks().read());
        place_of_vector().write(new.address());
        // A first vector that libc knows as the initial one is not given back: libc compares addresses with it.
    }
    if !crate::dl::is_initial_dtv(old.address()) {
        old.release_vector();
    }
    Some(new)
}

fn dynamic_block(dtv: Dtv, module: &Module) -> Option<u64> {
    let template = module.layout.tls?;
    let align = usize::try_from(template.align).ok()?.max(align_of::<Header>());
    let head = size_of::<Header>();
    // The block's first byte has to be congruent to its address in the file.
    let skew = template.vaddr.0 as usize & (align - 1);
    let length = usize::try_from(template.memory_size)
        .ok()?
        .checked_add(head)?
        .checked_add(align.checked_mul(2)?)?;
    let mapping = (length >= OWN_MAPPING).then(|| linux::allocate(length)).flatten();
    // A first touch cannot fail politely, so a block that gets no mapping still has what the heap reserved at the start.
    let (base, shape) = match mapping {
        Some(base) => (base, None),
        None => {
            let shape = Shape::from_size_align(length, align).ok()?;
            // SAFETY: the shape is not empty.
            (unsafe { alloc_zeroed(shape) } as usize, Some(shape))
        }
    };
    if base == 0 {
        return None;
    }
    // A power of two.
    let block = ((base + head + align - 1) & !(align - 1)) + skew;
    // SAFETY: header and block lie inside the allocation: head + (align - 1) + skew + memory_size < length.
    unsafe {
        let header = (block - head) as *mut Header;
        let list = dtv.blocks();
        header.write_unaligned(Header {
            next: list.read(),
            owner: module.id,
            number: module.tls()?.id,
            base,
            length,
            shape,
        });
        // What follows the initial bytes is zero in fresh memory, and stays untouched: a large block may never be used.
        copy_image(module, block as *mut u8)?;
        list.write(header);
    }
    Some(block as u64)
}

/// Makes a thread's static blocks and dtv new, for a thread that starts on a stack used before.
///
/// # Safety
/// No thread runs on `pointer`; the dtv is its own.
pub unsafe fn renew(pointer: u64, roster: Roster<'_>, modules: u64, generation: u64) -> Option<Dtv> {
    // SAFETY: the head's second word holds the dtv.
    let mut dtv = Dtv(unsafe { (pointer as *const u64).add(1).read() } as *mut u64);
    dtv.release_blocks(|_| true);
    if dtv.pairs() < modules {
        let longer = Dtv::allocate(modules, generation);
        if longer.0.is_null() {
            return None;
        }
        // SAFETY: nobody runs on the vector.
        unsafe { dtv.release() };
        dtv = longer;
        // SAFETY: as above.
        unsafe { (pointer as *mut u64).add(1).write(dtv.address()) };
    }
    dtv.set_generation(generation);
    for module in 1..=dtv.pairs() {
        dtv.set(module, UNALLOCATED);
    }
    // SAFETY: the caller's promise.
    unsafe { StaticTls { pointer }.fill(roster, dtv) };
    Some(dtv)
}
