//! Writing named members at the offsets of a layout row.
//!
//! # Safety
//! A [`Record`] is made from memory that lode owns and that has the size of the structure; every write is checked against that size.
//!
//! Hundreds of members are written, each once, so these functions stay calls: what counts is the size of their callers.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::layout::{Bits, Member, Structures, WORDS};
use crate::image::Memory;

/// The structures of a row in its words, of which the first are those of [`Structures`].
pub fn structures<const N: usize>(words: &[u32; N]) -> &Structures {
    const { assert!(N >= WORDS) };
    // SAFETY: `Structures` has nothing but 4-byte words, in this order and no more than there are here, and `layout` proves that they are those of a
    // row: no member that every glibc has is 0 there.
    unsafe { &*words.as_ptr().cast::<Structures>() }
}

/// A C structure in memory.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    base: NonNull<u8>,
    size: usize,
}

/// A member as one word, low half the offset, high half the size: what a call passes in one register.
#[derive(Clone, Copy)]
struct Place(u32);

impl Place {
    #[inline(always)]
    fn of(member: Member) -> Place {
        Place(member.offset() as u32 | (member.size() as u32) << 16)
    }

    /// Offset and length of the bytes that are read or written: 8 at most.
    fn bytes(self) -> (usize, usize) {
        (self.0 as usize & 0xffff, (self.0 as usize >> 16).min(8))
    }
}

impl Record {
    /// The structure at `base`.
    ///
    /// # Safety
    /// `size` bytes at `base` must stay writable, and no reference may cover them. At null there is an empty structure.
    pub unsafe fn at(base: *mut u8, size: usize) -> Record {
        match NonNull::new(base) {
            Some(base) => Record { base, size },
            None => Record {
                base: NonNull::dangling(),
                size: 0,
            },
        }
    }

    /// A zeroed structure that lives as long as the process.
    #[inline(never)]
    pub fn allocate(size: usize) -> Option<Record> {
        let memory = Memory::zeroed(size)?;
        // SAFETY: fresh memory of that size, which is never given back.
        let record = unsafe { Record::at(memory.base(), size) };
        memory.leak();
        Some(record)
    }

    /// Its address.
    pub fn address(self) -> u64 {
        self.base.as_ptr() as u64
    }

    /// The address of a member; `None` when the row does not fit the structure.
    pub fn address_of(self, member: Member) -> Option<u64> {
        (member.offset() + member.size() <= self.size).then(|| self.address() + member.offset() as u64)
    }

    /// The structure inside a member.
    pub fn inner(self, member: Member) -> Option<Record> {
        self.part(member.offset(), member.size())
    }

    /// The structure of `size` bytes at `offset` bytes.
    #[inline(never)]
    pub fn part(self, offset: usize, size: usize) -> Option<Record> {
        let end = offset.checked_add(size)?;
        let base = NonNull::new(self.base.as_ptr().wrapping_add(offset))?;
        (end <= self.size).then_some(Record { base, size })
    }

    /// Stores the low bytes of `value` that the member has room for (at most 8; the rest is left alone).
    pub fn set(self, member: Member, value: u64) {
        self.store(Place::of(member), value);
    }

    /// As [`Record::set`], for a member that this glibc may not have.
    #[inline(never)]
    pub fn set_if(self, member: Option<Member>, value: u64) {
        if let Some(member) = member {
            self.set(member, value);
        }
    }

    #[inline(never)]
    fn store(self, place: Place, value: u64) {
        let (offset, length) = place.bytes();
        if offset + length > self.size {
            return;
        }
        let bytes = value.to_le_bytes();
        // SAFETY: the range lies in the structure; see `at`.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.as_ptr().add(offset), length) };
    }

    /// The member's value, its low 8 bytes at most.
    pub fn get(self, member: Member) -> u64 {
        self.load(Place::of(member))
    }

    #[inline(never)]
    fn load(self, place: Place) -> u64 {
        let (offset, length) = place.bytes();
        let mut bytes = [0u8; 8];
        if offset + length <= self.size {
            // SAFETY: as in `store`.
            unsafe { core::ptr::copy_nonoverlapping(self.base.as_ptr().add(offset), bytes.as_mut_ptr(), length) };
        }
        u64::from_le_bytes(bytes)
    }

    /// Stores a bit field.
    #[inline(never)]
    pub fn set_bits(self, bits: Bits, value: u8) {
        if bits.offset() < self.size {
            // SAFETY: the byte lies in the structure.
            unsafe {
                let place = self.base.add(bits.offset());
                place.write(bits.insert(place.read(), value));
            }
        }
    }

    /// Stores a word at an offset that an array in the row implies.
    #[inline(never)]
    pub fn set_word(self, offset: usize, value: u64) {
        if offset.checked_add(8).is_some_and(|end| end <= self.size) {
            // SAFETY: the range lies in the structure.
            unsafe { self.base.add(offset).cast::<u64>().write_unaligned(value) };
        }
    }

    /// Stores 32 bits at an offset that an array in the row implies.
    #[inline(never)]
    pub fn set_half(self, offset: usize, value: u32) {
        if offset.checked_add(4).is_some_and(|end| end <= self.size) {
            // SAFETY: the range lies in the structure.
            unsafe { self.base.add(offset).cast::<u32>().write_unaligned(value) };
        }
    }
}
