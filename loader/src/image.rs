//! The one checked door between link-time addresses and memory.
//!
//! An [`Image`] knows which link-time ranges of a module are mapped, where their bytes are in this
//! process and what may be done with them. Everything that reads or writes module memory asks it;
//! a range that is not wholly inside one extent is an answer (`None`), never an access.
//!
//! Memory of a module may be written by the program at any time, so nothing here hands out a
//! reference into an extent that the program may write: values are read and written by copy, through
//! raw pointers. A hot loop asks once for a whole [`Table`] or [`Patch`] and then reads through
//! that proof. These few accessors are `inline(always)`: they run for each relocation, and the rest of lode is compiled for size.
//!
//! In the product the bytes are the process's own memory; in tests and in tools they are a buffer
//! that *claims* run-time addresses. Both are the same type, so the same code links both.
//!
//! # Safety
//! This file may use raw pointers because each one is made from an [`Extent`], whose maker promised
//! (in [`Image::new`]) that `length` bytes from `host` stay mapped, with at least the stated access,
//! as long as the image lives.
#![allow(unsafe_code)]

use alloc::alloc::{Layout as Shape, alloc_zeroed, dealloc};
use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::elf::segment::Access;
use crate::elf::{Address, Bias, Vaddr};

/// Relocations of segments that are not writable are allowed: what stands there may still change after the file is decoded. Set before the first
/// module is.
pub static TEXT_CHANGES: AtomicBool = AtomicBool::new(false);

/// A contiguous mapped range of a module.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// First link-time address.
    pub start: Vaddr,
    /// Length in bytes.
    pub length: u64,
    /// Where byte 0 of the range lies in this process.
    pub host: *mut u8,
    /// What the module's segment allows (before RELRO takes the write access away).
    pub access: Access,
}

/// The mapped memory of one module.
#[derive(Debug)]
pub struct Image {
    bias: Bias,
    extents: Vec<Extent>,
    owner: Option<Reservation>,
}

/// Plain values that any byte pattern may represent, as they stand in module memory.
///
/// # Safety
/// Only for types without padding and without invalid bit patterns.
pub unsafe trait Plain: Copy {}
// SAFETY: integers have neither padding nor invalid patterns.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: a `repr(C)` struct of 4+1+1+2+8+8 bytes: 24, no padding.
unsafe impl Plain for crate::elf::symbol::Symbol {}
// SAFETY: three 64-bit words.
unsafe impl Plain for crate::elf::reloc::Rela {}
// SAFETY: two 64-bit words.
unsafe impl Plain for crate::elf::reloc::Rel {}
// SAFETY: two 64-bit words.
unsafe impl Plain for crate::elf::dynamic::Dyn {}

/// A run of `T` in module memory whose whole range has been checked. Reads are by value and need no
/// alignment.
#[derive(Debug)]
pub struct Table<T: Plain> {
    first: *const T,
    count: usize,
}

impl<T: Plain> Clone for Table<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Plain> Copy for Table<T> {}

// SAFETY: a table is an address and a count; reads through it are by value. The memory outlives it because modules
// own their image beside their tables.
unsafe impl<T: Plain> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Table<T> {}

impl<T: Plain> Table<T> {
    /// A table of nothing.
    pub const EMPTY: Table<T> = Table {
        first: core::ptr::null(),
        count: 0,
    };

    /// Number of whole entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Entry `index`, or `None` past the end.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<T> {
        if index >= self.count {
            return None;
        }
        // SAFETY: index < count, and the whole range was checked when the table was made.
        Some(unsafe { self.first.add(index).read_unaligned() })
    }

    /// All entries in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.count).filter_map(|index| self.get(index))
    }

    /// The first `count` entries, or fewer when there are fewer.
    #[inline]
    pub fn first(&self, count: usize) -> Table<T> {
        Table {
            first: self.first,
            count: self.count.min(count),
        }
    }

    /// The table without its first `count` entries.
    #[inline]
    pub fn skip(&self, count: usize) -> Table<T> {
        let count = count.min(self.count);
        Table {
            // SAFETY: count is at most the number of entries, so the pointer stays inside or one past the range.
            first: unsafe { self.first.add(count) },
            count: self.count - count,
        }
    }
}

/// Part of a module's memory that may be written: the place of relocations.
///
/// Keeps the extent of the last store at hand, since relocations come in runs.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    image: &'a Image,
    last: Extent,
    /// Segments that are not writable take stores too.
    all: bool,
}

impl Patch<'_> {
    #[inline(always)]
    fn place(&mut self, at: Vaddr, length: u64) -> Option<*mut u8> {
        let offset = at.0.wrapping_sub(self.last.start.0);
        if offset <= self.last.length && self.last.length - offset >= length {
            return Some(self.last.host.wrapping_add(offset as usize));
        }
        self.place_elsewhere(at, length)
    }

    #[cold]
    fn place_elsewhere(&mut self, at: Vaddr, length: u64) -> Option<*mut u8> {
        let extent = *self.image.extent(at, length)?;
        if !extent.access.contains(Access::WRITE) && !self.all {
            return None;
        }
        self.last = extent;
        Some(extent.host.wrapping_add((at.0 - extent.start.0) as usize))
    }

    /// The value at `at`, or `None` when it is not wholly in a writable extent.
    #[inline(always)]
    pub fn load<T: Plain>(&mut self, at: Vaddr) -> Option<T> {
        let place = self.place(at, size_of::<T>() as u64)?;
        // SAFETY: `place` proved that the bytes lie in a live extent; the read is unaligned and by value.
        Some(unsafe { place.cast::<T>().read_unaligned() })
    }

    /// Stores `value` at `at`; `None` when the place is not wholly in a writable extent.
    #[inline(always)]
    pub fn store<T: Plain>(&mut self, at: Vaddr, value: T) -> Option<()> {
        let place = self.place(at, size_of::<T>() as u64)?;
        // SAFETY: `place` proved that the bytes lie in a live, writable extent; no reference to them exists.
        unsafe { place.cast::<T>().write_unaligned(value) };
        Some(())
    }

    /// Adds `bias` to the 64-bit word at `at`: what one RELR place asks.
    #[inline(always)]
    pub fn add(&mut self, at: Vaddr, bias: Bias) -> Option<()> {
        let place = self.place(at, 8)?.cast::<u64>();
        // SAFETY: as in `load` and `store`.
        unsafe { place.write_unaligned(place.read_unaligned().wrapping_add(bias.0)) };
        Some(())
    }

    /// Has the kernel make the page of `at` the process's own, if it is writable.
    ///
    /// A page of a file that is read before it is written costs two page faults, and the second one interrupts every processor that runs a thread of
    /// the process.
    pub fn make_own(&mut self, at: Vaddr) {
        if let Some(place) = self.place(at, 1) {
            // SAFETY: as in `store`. An exchange of 0 for 0 changes nothing; to the kernel it is a write.
            let _ = unsafe { AtomicU8::from_ptr(place) }.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Stores `bytes` at `at`.
    pub fn store_bytes(&mut self, at: Vaddr, bytes: &[u8]) -> Option<()> {
        let place = self.place(at, bytes.len() as u64)?;
        // SAFETY: as in `store`; `bytes` is lode's own memory and cannot overlap a module's writable extent, of which
        // no reference exists.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Some(())
    }
}

/// Address space that a module's image occupies; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    /// First byte.
    pub start: Address,
    /// Length in bytes.
    pub length: u64,
    /// How to give it back.
    pub release: fn(Address, u64),
}

impl Drop for Reservation {
    fn drop(&mut self) {
        (self.release)(self.start, self.length);
    }
}

/// Zeroed memory for C structures, given back when its owner goes. Nothing of Rust refers into it.
#[derive(Debug)]
pub struct Memory {
    base: NonNull<u128>,
    words: usize,
}

// SAFETY: an owned range of memory; who writes to it, and when, is its users' business.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn shape(words: usize) -> Option<Shape> {
        Shape::array::<u128>(words).ok()
    }

    /// At least `size` bytes, aligned to 16. `None` when there is no memory.
    pub fn zeroed(size: usize) -> Option<Memory> {
        let words = size.div_ceil(16).max(1);
        // SAFETY: the shape is not empty.
        let base = unsafe { alloc_zeroed(Memory::shape(words)?) };
        let base = NonNull::new(base)?.cast();
        Some(Memory { base, words })
    }

    /// Its first byte.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr().cast()
    }

    /// Keeps it for as long as the process lives.
    pub fn leak(self) {
        core::mem::forget(self);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(shape) = Memory::shape(self.words) {
            // SAFETY: allocated by `zeroed` with this shape.
            unsafe { dealloc(self.base.as_ptr().cast(), shape) };
        }
    }
}

// SAFETY: an image is a description of memory that is valid for every thread; access is by value.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Image {
    /// Describes mapped memory.
    ///
    /// # Safety
    /// For each extent, `length` bytes from `host` must stay mapped with at least `access` while the image
    /// lives, and no Rust reference may cover a byte that is writable there.
    pub unsafe fn new(bias: Bias, extents: Vec<Extent>, owner: Option<Reservation>) -> Image {
        let mut ascending: Vec<Extent> = Vec::new();
        for extent in extents {
            // They nearly always come in order.
            let behind = ascending.partition_point(|known| known.start <= extent.start);
            ascending.insert(behind, extent);
        }
        Image {
            bias,
            extents: ascending,
            owner,
        }
    }

    /// Run-time address of link-time address 0.
    #[inline]
    pub fn bias(&self) -> Bias {
        self.bias
    }

    /// The mapped ranges in ascending order.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Keeps the memory mapped for ever, whatever happens to the image.
    pub fn leak(&mut self) {
        core::mem::forget(self.owner.take());
    }

    /// The reserved address range, if lode mapped this module.
    pub fn reservation(&self) -> Option<(Address, u64)> {
        self.owner.as_ref().map(|own| (own.start, own.length))
    }

    /// The extent that holds all of `length` bytes at `at`.
    #[inline(never)]
    pub fn extent(&self, at: Vaddr, length: u64) -> Option<&Extent> {
        self.extents.iter().find(|extent| {
            let offset = at.0.wrapping_sub(extent.start.0);
            offset < extent.length.max(1) && extent.length - offset.min(extent.length) >= length
        })
    }

    #[inline(never)]
    fn place(&self, at: Vaddr, length: u64, access: Access) -> Option<*mut u8> {
        let extent = self.extent(at, length)?;
        if !extent.access.contains(access) {
            return None;
        }
        Some(extent.host.wrapping_add((at.0 - extent.start.0) as usize))
    }

    /// A table of `count` entries at `at`, if all of it is mapped and readable.
    pub fn table<T: Plain>(&self, at: Vaddr, count: usize) -> Option<Table<T>> {
        let first = self.readable(at, count, size_of::<T>())?;
        Some(Table {
            first: first.cast(),
            count,
        })
    }

    /// Where `count` times `size` bytes at `at` lie, if all of them are mapped and readable.
    #[inline(never)]
    fn readable(&self, at: Vaddr, count: usize, size: usize) -> Option<*mut u8> {
        let bytes = count.checked_mul(size)?;
        self.place(at, bytes as u64, Access::READ)
    }

    /// The longest table of `T` that starts at `at` and ends in the same extent, or in one that goes on where that ends: patchelf parts tables.
    pub fn table_to_end<T: Plain>(&self, at: Vaddr) -> Option<Table<T>> {
        let (first, bytes) = self.to_end(at)?;
        Some(Table {
            first: first.cast(),
            count: bytes / size_of::<T>(),
        })
    }

    /// Where the readable bytes from `at` on lie, and how many there are before a gap.
    #[inline(never)]
    fn to_end(&self, at: Vaddr) -> Option<(*mut u8, usize)> {
        let first = self.place(at, 0, Access::READ)?;
        let extent = self.extent(at, 0)?;
        let mut length = extent.length.checked_sub(at.0.checked_sub(extent.start.0)?)?;
        // They ascend.
        for next in &self.extents {
            let follows = next.start.0.wrapping_sub(at.0) == length && next.host == first.wrapping_add(length as usize);
            if follows && next.access.contains(Access::READ) {
                length = length.checked_add(next.length)?;
            }
        }
        Some((first, length as usize))
    }

    /// The value at `at`, if mapped and readable.
    pub fn load<T: Plain>(&self, at: Vaddr) -> Option<T> {
        self.table::<T>(at, 1)?.get(0)
    }

    /// As [`Image::fixed_bytes`], of what stays as it is while the module lives.
    pub fn lasting_bytes(&self, at: Vaddr, length: u64) -> Option<&'static [u8]> {
        match TEXT_CHANGES.load(Ordering::Relaxed) {
            true => None,
            false => self.fixed_bytes(at, length),
        }
    }

    /// The bytes of a range that the module cannot write, as a slice, for use until the module's relocations are applied.
    ///
    /// `None` when the range is not mapped or the program may write it: such bytes have to be copied
    /// ([`Image::copy`]).
    pub fn fixed_bytes(&self, at: Vaddr, length: u64) -> Option<&'static [u8]> {
        let extent = self.extent(at, length)?;
        if extent.access.contains(Access::WRITE) || !extent.access.contains(Access::READ) {
            return None;
        }
        let first = extent.host.wrapping_add((at.0 - extent.start.0) as usize);
        // SAFETY: the range is mapped, readable and not writable by the module while the image lives. The
        // lifetime is that of the mapping: holders keep the module, and with it the image, alive.
        Some(unsafe { core::slice::from_raw_parts(first, length as usize) })
    }

    /// A copy of `length` bytes at `at`. They may lie across extents: two segments that share a page of the file meet within what stood in one.
    pub fn copy(&self, at: Vaddr, length: usize) -> Option<Vec<u8>> {
        let mut bytes: Vec<u8> = Vec::new();
        while bytes.len() < length {
            let next = at.plus(bytes.len() as u64)?;
            let extent = self.extent(next, 1)?;
            let inside = extent.length - (next.0 - extent.start.0);
            let part = inside.min((length - bytes.len()) as u64);
            let first = self.place(next, part, Access::READ)?;
            bytes.try_reserve_exact(part as usize).ok()?;
            // SAFETY: source range checked by `place`; the destination has the capacity and is fresh memory.
            unsafe {
                core::ptr::copy_nonoverlapping(first, bytes.as_mut_ptr().add(bytes.len()), part as usize);
                bytes.set_len(bytes.len() + part as usize);
            }
        }
        Some(bytes)
    }

    /// Where the bytes at `at` lie in this process (the claimed run-time address may differ in tests).
    pub fn host_range(&self, at: Vaddr, length: u64) -> Option<*mut u8> {
        self.place(at, length, Access::empty())
    }

    /// Whether a jump to `at` lands in an executable extent.
    pub fn is_executable(&self, at: Vaddr) -> bool {
        self.extent(at, 1)
            .is_some_and(|extent| extent.access.contains(Access::EXECUTE))
    }

    /// A writer for relocations.
    pub fn patch(&self) -> Patch<'_> {
        let nothing = Extent {
            start: Vaddr(0),
            length: 0,
            host: core::ptr::null_mut(),
            access: Access::empty(),
        };
        let last = self
            .extents
            .iter()
            .find(|extent| extent.access.contains(Access::WRITE))
            .copied()
            .unwrap_or(nothing);
        Patch {
            image: self,
            last,
            all: false,
        }
    }

    /// A writer for relocations in segments that are not writable, too: the caller has made them so for a while. A store that comes too early or too late is a
    /// fault of the processor.
    pub fn patch_all(&self) -> Patch<'_> {
        Patch {
            all: true,
            ..self.patch()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_table_goes_on_where_the_next_extent_does() {
        let mut bytes = [0u8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let first = bytes.as_mut_ptr();
        let extent = |at: usize, length, access| Extent {
            start: Vaddr(0x1000 + at as u64),
            length,
            host: first.wrapping_add(at),
            access,
        };
        let (read, write) = (Access::READ, Access::READ | Access::WRITE);
        let extents = vec![extent(0, 4, write), extent(4, 4, read), extent(9, 3, read)];
        // SAFETY: the array outlives the image, and nothing else refers to it meanwhile.
        let image = unsafe { Image::new(Bias(0), extents, None) };
        for (at, count, last) in [(0x1002, 3, 0x0706), (0x1004, 2, 0x0706), (0x1009, 1, 0x0a09)] {
            let table = image.table_to_end::<u16>(Vaddr(at)).unwrap();
            assert_eq!((table.get(count - 1), table.get(count)), (Some(last), None));
        }
        assert!(
            image
                .table_to_end::<u16>(Vaddr(0x100c))
                .is_none_or(|table| table.get(0).is_none())
        );
    }

    #[test]
    fn a_copy_reaches_across_extents_that_meet() {
        let (mut first, mut second, mut apart) = ([1u8; 4], [2u8; 4], [3u8; 4]);
        let extent = |start, bytes: &mut [u8; 4]| Extent {
            start: Vaddr(start),
            length: 4,
            host: bytes.as_mut_ptr(),
            access: Access::READ,
        };
        let extents = vec![
            extent(0x1000, &mut first),
            extent(0x1004, &mut second),
            extent(0x2000, &mut apart),
        ];
        // SAFETY: the three arrays outlive the image, and nothing else refers to them meanwhile.
        let image = unsafe { Image::new(Bias(0), extents, None) };
        assert_eq!(image.copy(Vaddr(0x1002), 4), Some(vec![1, 1, 2, 2]));
        assert_eq!(image.copy(Vaddr(0x1000), 8), Some(vec![1, 1, 1, 1, 2, 2, 2, 2]));
        for (at, length) in [(0x1002, 7), (0xfff, 2), (0x2003, 2)] {
            assert_eq!(image.copy(Vaddr(at), length), None);
        }
    }
}
