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
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::elf::{Address, Vaddr};
use crate::image::{Area, Image, Memory, Plain, Word};

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
        Span(unsafe { Area::at(self.0, size) })
    }
}

/// Memory of a known size that others may read and write too: read and written by value, within its bounds.
/// Who writes to it, and when, is agreed on with those who share it.
#[derive(Clone, Copy, Debug)]
pub struct Span(Area);

impl From<Area> for Span {
    fn from(memory: Area) -> Span {
        Span(memory)
    }
}

impl Span {
    /// No memory.
    pub const EMPTY: Span = Span(Area::EMPTY);

    /// Memory that is kept for as long as the process lives.
    pub fn lasting(memory: Memory) -> Span {
        Span::of(memory.leak())
    }

    /// Shared words of lode's own.
    pub fn of(words: &'static [AtomicU64]) -> Span {
        // SAFETY: they stay, and may be written through the reference that there is.
        Span(unsafe { Area::at(words.as_ptr().cast_mut().cast(), size_of_val(words)) })
    }

    /// Its run-time address.
    pub fn address(self) -> u64 {
        self.0.base().addr() as u64
    }

    /// Its length in bytes.
    pub fn size(self) -> usize {
        self.0.length()
    }

    /// The `size` bytes at `offset` bytes.
    pub fn part(self, offset: usize, size: usize) -> Option<Span> {
        self.0.part(offset, size).map(Span)
    }

    /// The value at `offset` bytes; `None` outside.
    #[inline]
    pub fn load<T: Plain>(self, offset: usize) -> Option<T> {
        T::at(self.0.place(), offset)
    }

    /// Stores a value at `offset` bytes; `None` outside.
    #[inline]
    pub fn store<T: Word>(self, offset: usize, value: T) -> Option<()> {
        self.0.write(offset, value.bytes().as_ref())
    }

    /// Stores bytes at `offset` bytes; `None` outside.
    pub fn store_bytes(self, offset: usize, bytes: &[u8]) -> Option<()> {
        self.0.write(offset, bytes)
    }

    /// Fills `bytes` with what is at `offset` bytes; `None` outside.
    pub fn load_bytes(self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        self.0.place().read(offset, bytes)
    }

    /// Copies `length` bytes of a module at `at` to its beginning, and sets those behind them to zero. `None`, and nothing is stored, where either are too few.
    pub fn begin_with(self, image: &Image, at: Vaddr, length: u64) -> Option<()> {
        self.0.begin_with(image, at, length)
    }

    /// The word at `offset` bytes as one that others change too, by instructions that are not interrupted. `None` outside, or not aligned.
    pub fn shared<T: Shared>(self, offset: usize) -> Option<&'static T> {
        let place = self.part(offset, size_of::<T>())?.0.base().cast::<T>();
        // SAFETY: an aligned word, which has a value whatever its bits are, in memory that stays for as long as the span is used.
        place.is_aligned().then(|| unsafe { &*place })
    }
}

/// Words that change in one instruction.
pub trait Shared: words::Word {}
impl<T: words::Word> Shared for T {}

/// Nobody else may say what such a word is.
mod words {
    use super::{AtomicU32, AtomicU64};

    pub trait Word: 'static {}
    impl Word for AtomicU32 {}
    impl Word for AtomicU64 {}
    impl<const N: usize> Word for [AtomicU32; N] {}
}

/// A value that is set once and stays, or none yet: read without a lock, because a signal handler may come in the middle of it.
#[derive(Debug)]
pub struct Lasting<T: 'static>(AtomicPtr<T>);

impl<T: Sync> Lasting<T> {
    /// None yet.
    pub const fn none() -> Lasting<T> {
        Lasting(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// Sets it.
    pub fn set(&self, value: &'static T) {
        self.0.store((&raw const *value).cast_mut(), Ordering::Release);
    }

    /// The value.
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: null, or a reference that `set` got.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
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
