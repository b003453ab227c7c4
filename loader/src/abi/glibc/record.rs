//! Writing named members at the offsets of a layout row.
//!
//! # Safety
//! A [`Record`] is memory of the structure's size, against which every access is checked. Members that the row describes as pointers are followed.
//!
//! Hundreds of members are written, each once, so these functions stay calls: what counts is the size of their callers.
#![allow(unsafe_code)]

use super::layout::{Bits, Member, Structures, WORDS};
use crate::foreign::{Shared, Span};
use crate::image::{Area, Memory};

/// The structures of a row in its words, of which the first are those of [`Structures`].
pub fn structures<const N: usize>(words: &[u32; N]) -> &Structures {
    const { assert!(N >= WORDS) };
    // SAFETY: `Structures` has nothing but 4-byte words, in this order and no more than there are here, and `layout` proves that they are those of a
    // row: no member that every glibc has is 0 there.
    unsafe { &*words.as_ptr().cast::<Structures>() }
}

/// A C structure in memory.
#[derive(Clone, Copy, Debug)]
pub struct Record(Span);

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
    /// The structure in this memory.
    pub fn of(memory: Span) -> Record {
        Record(memory)
    }

    /// A zeroed structure that lives as long as the process.
    #[inline(never)]
    pub fn allocate(size: usize) -> Option<Record> {
        Some(Record(Span::lasting(Memory::zeroed(size)?)))
    }

    /// Its address.
    pub fn address(self) -> u64 {
        self.0.address()
    }

    /// The address of a member; `None` when the row does not fit the structure.
    pub fn address_of(self, member: Member) -> Option<u64> {
        Some(self.inner(member)?.address())
    }

    /// The structure inside a member.
    pub fn inner(self, member: Member) -> Option<Record> {
        self.part(member.offset(), member.size())
    }

    /// The structure of `size` bytes at `offset` bytes.
    #[inline(never)]
    pub fn part(self, offset: usize, size: usize) -> Option<Record> {
        self.0.part(offset, size).map(Record)
    }

    /// The structure of `size` bytes that a member points to; at null an empty one, in which nothing is stored.
    ///
    /// Only for members that the row describes as pointers to such a structure.
    #[inline(never)]
    pub fn follow(self, member: Member, size: usize) -> Record {
        // SAFETY: lode made what these members first point to; from then on it and libc store addresses of such structures there or null, and the caller
        // has the lock under which they do.
        Record(Span::from(unsafe { Area::at(self.get(member) as *mut u8, size) }))
    }

    /// Whether there is anything.
    pub fn is_there(self) -> bool {
        self.0.size() != 0
    }

    /// A member that others change by atomic instructions, or its first words.
    pub fn shared<T: Shared>(self, member: Member) -> Option<&'static T> {
        self.0.shared(member.offset())
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
        if length == 8 {
            // Most members are words, and a copy whose length is known is no call.
            self.0.store(offset, value);
        } else if let Some(bytes) = value.to_le_bytes().get(..length) {
            self.0.store_bytes(offset, bytes);
        }
    }

    /// The member's value, its low 8 bytes at most.
    pub fn get(self, member: Member) -> u64 {
        self.load(Place::of(member))
    }

    #[inline(never)]
    fn load(self, place: Place) -> u64 {
        let (offset, length) = place.bytes();
        let mut bytes = [0u8; 8];
        if let Some(bytes) = bytes.get_mut(..length) {
            self.0.load_bytes(offset, bytes);
        }
        u64::from_le_bytes(bytes)
    }

    /// Stores a bit field.
    #[inline(never)]
    pub fn set_bits(self, bits: Bits, value: u8) {
        if let Some(before) = self.0.load(bits.offset()) {
            self.0.store(bits.offset(), bits.insert(before, value));
        }
    }

    /// Stores a word at an offset that an array in the row implies.
    #[inline(never)]
    pub fn set_word(self, offset: usize, value: u64) {
        self.0.store(offset, value);
    }

    /// Stores bytes at an offset behind the members.
    #[inline(never)]
    pub fn set_bytes(self, offset: usize, bytes: &[u8]) {
        self.0.store_bytes(offset, bytes);
    }

    /// Stores 32 bits at an offset that an array in the row implies.
    #[inline(never)]
    pub fn set_half(self, offset: usize, value: u32) {
        self.0.store(offset, value);
    }
}
