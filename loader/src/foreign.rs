//! What C hands over and takes back: strings, places for answers, structures, shared words, functions.
//!
//! Each is a type that is made where the promise is known (by a caller in C, by whoever owns the memory, by a module's executable segment) and is safe to
//! use from then on: the promise travels with the value, and need not be repeated where a member is read or a function called.
//!
//! # Safety
//! [`Text`] and [`Answer`] have no constructor: they are the arguments of functions that C code calls, and are what the interface says (a C string, room for
//! a value). A [`Span`] is made from memory that its maker owns. [`Code`] lies in an executable segment of a loaded module.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::elf::{Address, Vaddr};
use crate::image::{Image, Memory, Plain};

/// A C string that a caller in C passes, or null.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Text<'a>(*const c_char, PhantomData<&'a CStr>);

impl<'a> Text<'a> {
    /// Its bytes without the NUL; `None` for null.
    #[inline(always)]
    pub fn bytes(self) -> Option<&'a [u8]> {
        (!self.0.is_null()).then_some(self.name())
    }

    /// As [`Text::bytes`], with nothing for null.
    #[inline(never)]
    pub fn name(self) -> &'a [u8] {
        if self.0.is_null() {
            return b"";
        }
        // SAFETY: only a caller in C makes this value, and the interface says that it is a C string or null.
        unsafe { CStr::from_ptr(self.0) }.to_bytes()
    }
}

/// Where a caller in C wants a value, or null.
#[derive(Debug)]
#[repr(transparent)]
pub struct Answer<T>(*mut T);

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Answer<T> {}

impl<T> Answer<T> {
    /// The place of an answer that nobody wants.
    pub const NOWHERE: Answer<T> = Answer(core::ptr::null_mut());

    /// Stores the answer, if it is wanted.
    pub fn put(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: only a caller in C makes such a value, and the interface says that there is room for a `T`.
            unsafe { self.0.write_unaligned(value) };
        }
    }
}

impl Answer<c_void> {
    /// Where another argument of the call says what is wanted: the place of a `T`.
    pub fn of<T>(self) -> Answer<T> {
        Answer(self.0.cast())
    }
}

/// A structure of its own that a caller in C passes, or null. Both sides know its size.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Given(*mut u8);

impl Given {
    /// Its run-time address; 0: null.
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Its memory, `size` bytes; none at null.
    pub fn span(self, size: usize) -> Span {
        // SAFETY: only a caller in C makes this value, and the interface says that it is a structure of that size or null, which stays while both use it.
        unsafe { Span::at(self.0, size) }
    }
}

/// Memory of a known size that others may read and write too: read and written by value, within its bounds.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: a description of memory that every thread may use; who writes to it, and when, is agreed on with those who share it.
unsafe impl Send for Span {}
// SAFETY: as above.
unsafe impl Sync for Span {}

impl Span {
    /// No memory.
    pub const EMPTY: Span = Span {
        base: NonNull::dangling(),
        size: 0,
    };

    /// The memory at `base`; at null there is none.
    ///
    /// # Safety
    /// `size` bytes at `base` must stay readable and writable for as long as this or a copy is used, and no reference may cover them.
    pub unsafe fn at(base: *mut u8, size: usize) -> Span {
        NonNull::new(base).map_or(Span::EMPTY, |base| Span { base, size })
    }

    /// Memory that is kept for as long as the process lives.
    pub fn lasting(memory: Memory) -> Span {
        // SAFETY: the memory is never given back, and nothing of Rust refers into it.
        let span = unsafe { Span::at(memory.base(), memory.size()) };
        memory.leak();
        span
    }

    /// Shared words of lode's own.
    pub fn of(words: &'static [AtomicU64]) -> Span {
        // SAFETY: they stay, and may be written through the reference that there is.
        unsafe { Span::at(words.as_ptr().cast_mut().cast(), size_of_val(words)) }
    }

    /// Its run-time address.
    pub fn address(self) -> u64 {
        self.base.as_ptr() as u64
    }

    /// Its length in bytes.
    pub fn size(self) -> usize {
        self.size
    }

    /// The `size` bytes at `offset` bytes.
    pub fn part(self, offset: usize, size: usize) -> Option<Span> {
        let base = NonNull::new(self.place(offset, size)?)?;
        Some(Span { base, size })
    }

    #[inline]
    fn place(self, offset: usize, size: usize) -> Option<*mut u8> {
        let rest = self.size.checked_sub(offset)?;
        (size <= rest).then_some(self.base.as_ptr().wrapping_add(offset))
    }

    /// The value at `offset` bytes; `None` outside.
    #[inline]
    pub fn load<T: Plain>(self, offset: usize) -> Option<T> {
        let place = self.place(offset, size_of::<T>())?;
        // SAFETY: the bytes lie in the span, and any pattern is a `T`.
        Some(unsafe { place.cast::<T>().read_unaligned() })
    }

    /// Stores a value at `offset` bytes; `None` outside.
    #[inline]
    pub fn store<T: Plain>(self, offset: usize, value: T) -> Option<()> {
        let place = self.place(offset, size_of::<T>())?;
        // SAFETY: the bytes lie in the span, to which nothing refers.
        unsafe { place.cast::<T>().write_unaligned(value) };
        Some(())
    }

    /// Stores bytes at `offset` bytes; `None` outside.
    pub fn store_bytes(self, offset: usize, bytes: &[u8]) -> Option<()> {
        let place = self.place(offset, bytes.len())?;
        // SAFETY: the bytes lie in the span; `bytes` is lode's own, so that they do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Some(())
    }

    /// Fills `bytes` with what is at `offset` bytes; `None` outside.
    pub fn load_bytes(self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        let place = self.place(offset, bytes.len())?;
        // SAFETY: the bytes lie in the span; `bytes` is lode's own, so that they do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), bytes.len()) };
        Some(())
    }

    /// The 32-bit word at `offset` bytes as one that others change too. `None` outside, or not aligned.
    pub fn shared_half(self, offset: usize) -> Option<&'static AtomicU32> {
        let place = self.place(offset, 4)?.cast::<u32>();
        // SAFETY: an aligned word in memory that stays for as long as the span is used, and is changed by atomic instructions only.
        place.is_aligned().then(|| unsafe { AtomicU32::from_ptr(place) })
    }

    /// As [`Span::shared_half`], 64 bits.
    pub fn shared_word(self, offset: usize) -> Option<&'static AtomicU64> {
        let place = self.place(offset, 8)?.cast::<u64>();
        // SAFETY: as in `shared_half`.
        place.is_aligned().then(|| unsafe { AtomicU64::from_ptr(place) })
    }
}

/// A function of the program, of a library, or of lode's own binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(NonZeroU64);

impl Code {
    /// What stands at a run-time address of a module, if that is executable.
    pub fn of(image: &Image, at: Address) -> Option<Code> {
        let inside = Vaddr(at.0.wrapping_sub(image.bias().0));
        NonZeroU64::new(at.0).filter(|_| image.is_executable(inside)).map(Code)
    }

    /// Its run-time address.
    pub fn address(self) -> Address {
        Address(self.0.get())
    }

    /// Calls it with up to four integers or addresses. A function with fewer parameters does not look at the rest, one without a value leaves any (psABI,
    /// 3.2.3), so one type serves all; of a narrower result the upper bits mean nothing.
    #[inline(always)]
    pub fn call(self, arguments: [usize; 4]) -> usize {
        type Function = extern "C-unwind" fn(usize, usize, usize, usize) -> usize;
        // SAFETY: the address lies in an executable segment. What the code there does is the program's own.
        let function: Function = unsafe { core::mem::transmute(self.0.get() as usize) };
        let [first, second, third, fourth] = arguments;
        function(first, second, third, fourth)
    }
}
