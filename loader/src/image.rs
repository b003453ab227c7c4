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
//! Module memory is touched by the methods of [`Place`], [`Writable`] and [`Area`] and in [`Image::fixed_bytes`], nowhere else. A place is part of an [`Extent`],
//! whose maker promised (in [`Image::new`]) that `length` bytes from `host` stay mapped, with at least the stated access, as long as the image lives; or of an area,
//! whose maker promised as much ([`Area::at`]).
#![allow(unsafe_code)]

use alloc::alloc::{Layout as Shape, alloc_zeroed};
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::elf::dynamic::Dyn;
use crate::elf::reloc::{Rel, Rela};
use crate::elf::segment::Access;
use crate::elf::symbol::Symbol;
use crate::elf::{Address, Bias, Vaddr};

/// Relocations of segments that are not writable are allowed: what stands there may still change after the file is decoded. Set before the first
/// module is.
pub static TEXT_CHANGES: AtomicBool = AtomicBool::new(false);

/// Where the first byte of some memory of a module lies in this process.
#[derive(Clone, Copy, Debug)]
pub struct Pointer(NonNull<u8>);

// SAFETY: an address means the same in every thread. What lies there is read and written by value, through a [`Place`].
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

impl Pointer {
    /// Where the first byte of a range without any lies.
    const NOWHERE: Pointer = Pointer(NonNull::dangling());

    /// That of an address; nothing lies at the address 0.
    pub fn new(first: *mut u8) -> Pointer {
        NonNull::new(first).map_or(Pointer::NOWHERE, Pointer)
    }

    #[inline(always)]
    fn plus(self, bytes: usize) -> *mut u8 {
        self.0.as_ptr().wrapping_add(bytes)
    }
}

/// A contiguous mapped range of a module.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// First link-time address.
    pub start: Vaddr,
    /// Length in bytes.
    pub length: u64,
    /// Where byte 0 of the range lies in this process.
    pub host: Pointer,
    /// What the module's segment allows (before RELRO takes the write access away).
    pub access: Access,
}

impl Extent {
    /// The `length` bytes at `at`, if all of them are in the extent.
    #[inline(always)]
    fn place(&self, at: Vaddr, length: u64) -> Option<Place> {
        let offset = at.0.wrapping_sub(self.start.0);
        (offset <= self.length && self.length - offset >= length).then_some(Place {
            first: self.pointer(at),
            length: length as usize,
        })
    }

    /// Where the byte at `at` lies, if it is in the extent.
    #[inline(always)]
    fn pointer(&self, at: Vaddr) -> *mut u8 {
        self.host.plus(at.0.wrapping_sub(self.start.0) as usize)
    }
}

/// Bytes that were found to lie in one extent, which the program may read.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    first: *mut u8,
    length: usize,
}

impl Place {
    /// Fills `bytes` with what stands `offset` bytes on. `None` when the place ends before.
    #[inline(always)]
    pub fn read(self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        if self.length.checked_sub(offset)? < bytes.len() {
            return None;
        }
        // SAFETY: the source is mapped and ends with the place at the latest; no extent is made of lode's own memory, in which `bytes` lies.
        unsafe { core::ptr::copy_nonoverlapping(self.first.wrapping_add(offset), bytes.as_mut_ptr(), bytes.len()) };
        Some(())
    }

    /// The `N` bytes that stand `offset` bytes on. `None` when the place ends before.
    #[inline(always)]
    fn bytes<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.read(offset, &mut bytes)?;
        Some(bytes)
    }
}

/// A place that takes stores, too.
#[derive(Clone, Copy, Debug)]
struct Writable(Place);

impl Writable {
    /// Stores `bytes` at `offset` bytes. `None` when it has no room for them.
    #[inline(always)]
    fn write(self, offset: usize, bytes: &[u8]) -> Option<()> {
        let Writable(place) = self;
        if place.length.checked_sub(offset)? < bytes.len() {
            return None;
        }
        // SAFETY: the destination is mapped and writable and has the room; nothing refers to it. No place is made of the memory in which `bytes` lies.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place.first.wrapping_add(offset), bytes.len()) };
        Some(())
    }

    /// Adds `value` to each 64-bit word that a bit stands for, by its number. Words behind the end are left out.
    #[inline(always)]
    fn add(self, mut bits: u64, value: u64) {
        let Writable(place) = self;
        if u64::from(64 - bits.leading_zeros()) * 8 > place.length as u64 {
            return;
        }
        let add = |number: usize| {
            let word = place.first.wrapping_add(number * 8).cast::<u64>();
            // SAFETY: the word of the highest bit ends with the place at the latest, which is mapped and writable; nothing refers to it.
            unsafe { word.write_unaligned(word.read_unaligned().wrapping_add(value)) };
        };
        // Most bitmaps of a large table are full.
        const FULL: u64 = u64::MAX >> 1;
        if bits == FULL {
            for first in (0..63).step_by(7) {
                add(first);
                add(first + 1);
                add(first + 2);
                add(first + 3);
                add(first + 4);
                add(first + 5);
                add(first + 6);
            }
            return;
        }
        while bits != 0 {
            add(bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }

    /// Writes to the first byte what stands there.
    fn touch(self) {
        let Writable(place) = self;
        if place.length != 0 {
            // SAFETY: the byte is mapped and writable. An exchange of 0 for 0 changes nothing; to the kernel it is a write.
            let _ =
                unsafe { AtomicU8::from_ptr(place.first) }.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// Memory beside a module's that is read and written by value, too.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    first: Pointer,
    length: usize,
}

impl Area {
    /// One without bytes.
    pub const EMPTY: Area = Area {
        first: Pointer::NOWHERE,
        length: 0,
    };

    /// The `length` bytes at `first`; none at null.
    ///
    /// # Safety
    /// They must stay readable and writable for as long as this or a copy is used, and no reference may cover them but to atomic words.
    pub unsafe fn at(first: *mut u8, length: usize) -> Area {
        NonNull::new(first).map_or(Area::EMPTY, |first| Area {
            first: Pointer(first),
            length,
        })
    }

    /// Its first byte.
    pub fn base(self) -> *mut u8 {
        self.first.0.as_ptr()
    }

    /// Its length in bytes.
    pub fn length(self) -> usize {
        self.length
    }

    /// The `length` bytes at `offset` bytes; `None` when it ends before.
    pub fn part(self, offset: usize, length: usize) -> Option<Area> {
        let first = Pointer(NonNull::new(self.first.plus(offset))?);
        (length <= self.length.checked_sub(offset)?).then_some(Area { first, length })
    }

    /// The place to read from.
    #[inline]
    pub fn place(self) -> Place {
        Place {
            first: self.first.0.as_ptr(),
            length: self.length,
        }
    }

    /// Stores `bytes` at `offset` bytes. `None` when it has no room for them.
    #[inline]
    pub fn write(self, offset: usize, bytes: &[u8]) -> Option<()> {
        Writable(self.place()).write(offset, bytes)
    }

    /// Copies `length` bytes of a module at `at` to its beginning, and sets those behind them to zero. `None`, and nothing is stored, where either are too few.
    #[inline(never)]
    pub fn begin_with(self, image: &Image, at: Vaddr, length: u64) -> Option<()> {
        let source = match length {
            0 => Pointer::NOWHERE,
            _ => image.pointer(at, length, Access::empty())?,
        };
        let rest = self.length.checked_sub(length as usize)?;
        let behind = self.first.plus(length as usize);
        // SAFETY: the source is mapped, the destination is so and writable, and both have as many bytes; nothing refers to the latter.
        unsafe {
            core::ptr::copy(source.0.as_ptr(), self.base(), length as usize);
            behind.write_bytes(0, rest);
        }
        Some(())
    }
}

/// A value as it stands in module memory: whatever its bytes are, they are one.
pub trait Plain: Copy {
    /// The one that stands `offset` bytes on; `None` when the place ends before.
    fn at(place: Place, offset: usize) -> Option<Self>;
}

/// A number that relocations store.
pub trait Word: Plain {
    /// As many bytes as it has.
    type Bytes: AsRef<[u8]>;

    /// The bytes as they stand in memory.
    fn bytes(self) -> Self::Bytes;
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Plain for $word {
            #[inline(always)]
            fn at(place: Place, offset: usize) -> Option<$word> {
                Some(<$word>::from_ne_bytes(place.bytes(offset)?))
            }
        }

        impl Word for $word {
            type Bytes = [u8; size_of::<$word>()];

            #[inline(always)]
            fn bytes(self) -> Self::Bytes {
                self.to_ne_bytes()
            }
        }
    )*};
}
words!(u8, u16, u32, u64);

/// How a structure stands in memory: each member with its offset in bytes.
macro_rules! structures {
    ($($structure:ident { $($member:ident: $offset:literal),* })*) => {$(
        impl Plain for $structure {
            #[inline(always)]
            fn at(place: Place, offset: usize) -> Option<$structure> {
                Some($structure { $($member: Plain::at(place, offset.wrapping_add($offset))?),* })
            }
        }
    )*};
}
structures! {
    Symbol { name: 0, info: 4, other: 5, section: 6, value: 8, size: 16 }
    Rela { offset: 0, info: 8, addend: 16 }
    Rel { offset: 0, info: 8 }
    Dyn { tag: 0, value: 8 }
}

/// The mapped memory of one module.
#[derive(Debug)]
pub struct Image {
    bias: Bias,
    extents: Vec<Extent>,
    owner: Option<Reservation>,
}

/// A run of `T` in module memory whose whole range has been checked. Reads are by value and need no
/// alignment. The memory outlives it because modules own their image beside their tables.
#[derive(Debug)]
pub struct Table<T: Plain> {
    first: Pointer,
    count: usize,
    entries: PhantomData<fn() -> T>,
}

impl<T: Plain> Clone for Table<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Plain> Copy for Table<T> {}

impl<T: Plain> Table<T> {
    /// A table of nothing.
    pub const EMPTY: Table<T> = Table {
        first: Pointer::NOWHERE,
        count: 0,
        entries: PhantomData,
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
        // Part of the place that the table was made of.
        let entry = Place {
            first: self.first.plus(index.wrapping_mul(size_of::<T>())),
            length: size_of::<T>(),
        };
        T::at(entry, 0)
    }

    /// Has the processor fetch entry `index`, so that a later [`Table::get`] does not wait for memory.
    #[inline(always)]
    pub fn fetch(&self, index: usize) {
        if index < self.count {
            let first = self.first.plus(index.wrapping_mul(size_of::<T>()));
            crt::prefetch(first);
            // It may lie in two lines of the cache.
            if size_of::<T>() > 8 {
                crt::prefetch(first.wrapping_add(size_of::<T>() - 1));
            }
        }
    }

    /// The same bytes as entries of another kind, as far as they are whole ones.
    #[inline]
    pub fn of<U: Plain>(self) -> Table<U> {
        Table {
            first: self.first,
            count: self.count * size_of::<T>() / size_of::<U>(),
            entries: PhantomData,
        }
    }

    /// All entries in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..).map_while(|index| self.get(index))
    }

    /// The first `count` entries, or fewer when there are fewer.
    #[inline]
    pub fn first(&self, count: usize) -> Table<T> {
        Table {
            count: self.count.min(count),
            ..*self
        }
    }

    /// The table without its first `count` entries.
    #[inline]
    pub fn skip(&self, count: usize) -> Table<T> {
        let count = count.min(self.count);
        Table {
            first: Pointer::new(self.first.plus(count.wrapping_mul(size_of::<T>()))),
            count: self.count - count,
            ..*self
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
    /// How many places in it, byte by byte, have a whole 64-bit word.
    word_places: u64,
    /// Segments that are not writable take stores too.
    all: bool,
}

impl Patch<'_> {
    #[inline(always)]
    fn place(&mut self, at: Vaddr, length: u64) -> Option<Writable> {
        let offset = at.0.wrapping_sub(self.last.start.0);
        // Nearly all places are words, and for those one look is enough.
        let fits = match length {
            8 => offset < self.word_places,
            _ => offset <= self.last.length && self.last.length - offset >= length,
        };
        let first = match fits {
            true => self.last.pointer(at),
            false => self.turn_to(at, length)?.0.as_ptr(),
        };
        // To the compiler the length is a constant then, and no later look at it costs anything.
        let length = length as usize;
        Some(Writable(Place { first, length }))
    }

    /// Makes the extent that holds `length` bytes at `at` the one at hand, if it takes stores, and says where they are.
    #[cold]
    fn turn_to(&mut self, at: Vaddr, length: u64) -> Option<Pointer> {
        let extent = *self.image.extent(at, length)?;
        if !extent.access.contains(Access::WRITE) && !self.all {
            return None;
        }
        self.last = extent;
        self.word_places = extent.length.saturating_sub(7);
        NonNull::new(extent.pointer(at)).map(Pointer)
    }

    /// The value at `at`, or `None` when it is not wholly in a writable extent.
    #[inline(always)]
    pub fn load<T: Plain>(&mut self, at: Vaddr) -> Option<T> {
        let Writable(place) = self.place(at, size_of::<T>() as u64)?;
        T::at(place, 0)
    }

    /// Stores `value` at `at`; `None` when the place is not wholly in a writable extent.
    #[inline(always)]
    pub fn store<T: Word>(&mut self, at: Vaddr, value: T) -> Option<()> {
        self.place(at, size_of::<T>() as u64)?.write(0, value.bytes().as_ref())
    }

    /// Stores 64-bit words, each at its place, up to the first place that is not in the extent at hand. Returns how many.
    #[inline(always)]
    pub fn store_run(&mut self, words: impl Iterator<Item = (Vaddr, u64)>) -> usize {
        // Copies: to the compiler a store may change what the patch says.
        let Patch { last, word_places, .. } = *self;
        let mut stored: usize = 0;
        for (at, word) in words {
            if at.0.wrapping_sub(last.start.0) >= word_places {
                break;
            }
            let first = last.pointer(at);
            if Writable(Place { first, length: 8 }).write(0, &word.bytes()).is_none() {
                break;
            }
            stored = stored.wrapping_add(1);
        }
        stored
    }

    /// Adds `bias` to the 64-bit words that `bits` names, each as many words behind `at`: what a word of a RELR stream asks. `None`, and nothing is added, when
    /// not all of them from the first to the last lie in one writable extent.
    #[inline(always)]
    pub fn add_all(&mut self, at: Vaddr, bits: u64, bias: Bias) -> Option<()> {
        let length = u64::from(64 - bits.leading_zeros()) * 8;
        self.place(at, length)?.add(bits, bias.0);
        Some(())
    }

    /// Has the kernel make the page of `at` the process's own, if it is writable.
    ///
    /// A page of a file that is read before it is written costs two page faults, and the second one interrupts every processor that runs a thread of
    /// the process.
    pub fn make_own(&mut self, at: Vaddr) {
        if let Some(place) = self.place(at, 1) {
            place.touch();
        }
    }

    /// Stores `bytes` at `at`.
    pub fn store_bytes(&mut self, at: Vaddr, bytes: &[u8]) -> Option<()> {
        self.place(at, bytes.len() as u64)?.write(0, bytes)
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

/// Zeroed memory for C structures, given back when its owner goes: words that others may change too. Who writes to it, and when, is its users' business.
#[derive(Debug)]
pub struct Memory(Vec<AtomicU64>);

impl Memory {
    /// At least `size` bytes, aligned to 8. `None` when there is no memory.
    pub fn zeroed(size: usize) -> Option<Memory> {
        let count = size.div_ceil(8).max(1);
        let shape = Shape::array::<AtomicU64>(count).ok()?;
        // SAFETY: the shape is not empty; it is that of so many words, each of which may be zero.
        unsafe {
            let first = NonNull::new(alloc_zeroed(shape))?;
            Some(Memory(Vec::from_raw_parts(first.as_ptr().cast(), count, count)))
        }
    }

    /// Its first byte.
    pub fn base(&self) -> *mut u8 {
        self.0.as_ptr().cast_mut().cast()
    }

    /// Its words.
    pub fn words(&self) -> &[AtomicU64] {
        &self.0
    }

    /// Keeps it for as long as the process lives.
    pub fn leak(self) -> &'static [AtomicU64] {
        self.0.leak()
    }
}

impl Image {
    /// Describes mapped memory. The extents ascend.
    ///
    /// # Safety
    /// For each extent, `length` bytes from `host` must stay mapped with at least `access` while the image
    /// lives, and no Rust reference may cover a byte that is writable there.
    pub unsafe fn new(bias: Bias, extents: Vec<Extent>, owner: Option<Reservation>) -> Image {
        Image { bias, extents, owner }
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

    /// Where `length` bytes at `at` lie, if all of them are mapped with this access.
    #[inline(never)]
    fn pointer(&self, at: Vaddr, length: u64, access: Access) -> Option<Pointer> {
        let extent = self
            .extent(at, length)
            .filter(|extent| extent.access.contains(access))?;
        NonNull::new(extent.pointer(at)).map(Pointer)
    }

    /// A table of `count` entries at `at`, if all of it is mapped and readable.
    #[inline(always)]
    pub fn table<T: Plain>(&self, at: Vaddr, count: usize) -> Option<Table<T>> {
        Some(Table {
            first: self.readable(at, count, size_of::<T>())?,
            count,
            entries: PhantomData,
        })
    }

    /// Where `count` times `size` bytes at `at` lie, if all of them are mapped and readable.
    #[inline(never)]
    fn readable(&self, at: Vaddr, count: usize, size: usize) -> Option<Pointer> {
        let bytes = count.checked_mul(size)?;
        self.pointer(at, bytes as u64, Access::READ)
    }

    /// The longest table of `T` that starts at `at` and ends in the same extent, or in one that goes on where that ends: patchelf parts tables.
    pub fn table_to_end<T: Plain>(&self, at: Vaddr) -> Option<Table<T>> {
        let (first, bytes) = self.to_end(at)?;
        Some(Table {
            first,
            count: bytes / size_of::<T>(),
            entries: PhantomData,
        })
    }

    /// Where the readable bytes from `at` on lie, and how many there are before a gap.
    #[inline(never)]
    fn to_end(&self, at: Vaddr) -> Option<(Pointer, usize)> {
        let first = self.pointer(at, 0, Access::READ)?;
        let extent = self.extent(at, 0)?;
        let mut length = extent.length.checked_sub(at.0.checked_sub(extent.start.0)?)?;
        // They ascend.
        for next in &self.extents {
            let follows =
                next.start.0.wrapping_sub(at.0) == length && next.host.0.as_ptr() == first.plus(length as usize);
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
        let place = extent.place(at, length)?;
        // SAFETY: the range is mapped, readable and not writable by the module while the image lives. The
        // lifetime is that of the mapping: holders keep the module, and with it the image, alive.
        Some(unsafe { core::slice::from_raw_parts(place.first, place.length) })
    }

    /// A copy of `length` bytes at `at`. They may lie across extents: two segments that share a page of the file meet within what stood in one.
    pub fn copy(&self, at: Vaddr, length: usize) -> Option<Vec<u8>> {
        let mut bytes: Vec<u8> = Vec::new();
        while bytes.len() < length {
            let next = at.plus(bytes.len() as u64)?;
            let extent = self
                .extent(next, 1)
                .filter(|extent| extent.access.contains(Access::READ))?;
            let inside = extent.length - (next.0 - extent.start.0);
            let part = inside.min((length - bytes.len()) as u64);
            let done = bytes.len();
            bytes.try_reserve_exact(part as usize).ok()?;
            bytes.resize(done + part as usize, 0);
            extent.place(next, part)?.read(0, bytes.get_mut(done..)?)?;
        }
        Some(bytes)
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
            host: Pointer::NOWHERE,
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
            word_places: last.length.saturating_sub(7),
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
            host: Pointer::new(first.wrapping_add(at)),
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
            host: Pointer::new(bytes.as_mut_ptr()),
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
