//! Mappings as values: address space that has one owner, what is made inside it, and its way back.
//!
//! # Safety
//! A [`Mapping`] is a range that was free when the kernel gave it, so what its owner does inside it breaks nobody. It hands out no reference into
//! itself; memory for Rust's use leaves it for good ([`Mapping::take_memory`]).

use core::mem::MaybeUninit;
use core::ops::Range;

use crate::Errno;
use crate::syscall as call;

/// What a range of addresses shows. Writes stay in the process.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    flags: u32,
    descriptor: i32,
    offset: u64,
}

impl Content {
    /// Zeros.
    pub const ZEROS: Content = Content {
        flags: call::MAP_PRIVATE | call::MAP_ANONYMOUS,
        descriptor: -1,
        offset: 0,
    };

    /// Nothing yet: addresses, no swap space.
    pub const RESERVED: Content = Content {
        flags: Content::ZEROS.flags | call::MAP_NORESERVE,
        ..Content::ZEROS
    };

    /// An open file from a multiple of the page size on, as it is and as it changes.
    pub const fn of_file(descriptor: i32, offset: u64) -> Content {
        Content {
            flags: call::MAP_PRIVATE,
            descriptor,
            offset,
        }
    }

    /// # Safety
    /// As of [`call::mmap`].
    #[inline(always)]
    unsafe fn map(self, address: usize, length: usize, protection: u32, flags: u32) -> Result<usize, Errno> {
        let flags = self.flags | flags;
        // SAFETY: the caller's promise.
        unsafe { call::mmap(address, length, protection, flags, self.descriptor, self.offset) }
    }
}

/// A range of addresses that is this value's own; unmapped when it is dropped.
#[derive(Debug)]
pub struct Mapping {
    start: usize,
    length: usize,
}

impl Mapping {
    /// A range of no bytes.
    pub const EMPTY: Mapping = Mapping { start: 0, length: 0 };

    /// Maps `length` bytes at an address that is free: `wish` if it is, or where the kernel likes.
    ///
    /// # Errors
    /// `mmap(2)`.
    pub fn new(wish: usize, length: usize, protection: u32, content: Content) -> Result<Mapping, Errno> {
        // SAFETY: without MAP_FIXED nothing is replaced.
        let start = unsafe { content.map(wish, length, protection, 0) }?;
        Ok(Mapping { start, length })
    }

    /// Reserves `length` bytes at `start`, and nowhere else.
    ///
    /// # Errors
    /// EEXIST if something is there; `mmap(2)`.
    pub fn reserve_at(start: usize, length: usize) -> Result<Mapping, Errno> {
        // SAFETY: MAP_FIXED_NOREPLACE replaces nothing; an old kernel takes the address for a wish, which is checked.
        let at = unsafe { Content::RESERVED.map(start, length, call::PROT_NONE, call::MAP_FIXED_NOREPLACE) }?;
        let mapping = Mapping { start: at, length };
        (at == start).then_some(mapping).ok_or(Errno::EEXIST)
    }

    /// Address of the first byte.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Length in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The address `offset` bytes on, if `length` bytes from there on are the mapping's.
    fn part(&self, offset: usize, length: usize) -> Result<usize, Errno> {
        match self.length.checked_sub(offset) {
            Some(behind) if length <= behind => Ok(self.start.wrapping_add(offset)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Puts `content` into part of the range, in the place of what was there, and sets the `cleared` bytes of it to zero, which counts from `offset`. `offset`
    /// and `length` are in bytes, the first a multiple of the page size.
    ///
    /// # Errors
    /// EINVAL if it is not part of the range, or what is to be cleared is not part of it; EACCES if that cannot be written; `mmap(2)`.
    pub fn put(
        &mut self,
        offset: usize,
        length: usize,
        protection: u32,
        content: Content,
        cleared: Range<usize>,
    ) -> Result<(), Errno> {
        let start = self.part(offset, length)?;
        if cleared.start > cleared.end || cleared.end > length {
            return Err(Errno::EINVAL);
        }
        if !cleared.is_empty() && protection & call::PROT_WRITE == 0 {
            return Err(Errno::EACCES);
        }
        // SAFETY: what is replaced is the mapping's own, and nobody refers to it.
        unsafe { content.map(start, length, protection, call::MAP_FIXED) }?;
        let first = start.wrapping_add(cleared.start) as *mut u8;
        // SAFETY: the bytes lie in what has just been mapped, writable if there are any.
        unsafe { core::ptr::write_bytes(first, 0, cleared.len()) };
        Ok(())
    }

    /// Changes what may be done with part of the range.
    ///
    /// # Errors
    /// EINVAL if it is not part of the range; `mprotect(2)`.
    pub fn protect(&mut self, offset: usize, length: usize, protection: u32) -> Result<(), Errno> {
        let start = self.part(offset, length)?;
        // SAFETY: the mapping's own, and nobody refers to it.
        unsafe { call::mprotect(start, length, protection) }
    }

    /// Lets the kernel use huge pages for part of the range, which [`Content::ZEROS`] fills and which can be written to, and copies its first `filled` bytes from a file.
    ///
    /// # Errors
    /// EINVAL if it is not part of the range, or shorter than that; EIO if the file ends; `pread(2)`.
    pub fn fill_in_huge_pages(
        &mut self,
        offset: usize,
        length: usize,
        filled: usize,
        content: Content,
    ) -> Result<(), Errno> {
        let start = self.part(offset, length)?;
        if filled > length {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the contents stay as they are. A kernel that has no huge pages has small ones.
        let _ = unsafe { call::madvise(start, length, call::MADV_HUGEPAGE) };
        // SAFETY: the mapping's own, and nobody else refers to it. Only the kernel looks at it here, and says EFAULT of what cannot be written to.
        let mut rest = unsafe { core::slice::from_raw_parts_mut(start as *mut u8, filled) };
        let mut from = content.offset;
        while !rest.is_empty() {
            let read = call::pread(content.descriptor, rest, from)?;
            rest = rest.get_mut(read..).filter(|_| read != 0).ok_or(Errno::EIO)?;
            from = from.wrapping_add(read as u64);
        }
        Ok(())
    }

    /// Gives back all but `length` bytes from `offset` on. Both are multiples of the page size.
    ///
    /// # Errors
    /// EINVAL if they are not part of the range, which is unmapped then.
    pub fn trimmed(self, offset: usize, length: usize) -> Result<Mapping, Errno> {
        let start = self.part(offset, length)?;
        let end = start.wrapping_add(length);
        drop(Mapping {
            start: end,
            length: self.length.wrapping_sub(offset).wrapping_sub(length),
        });
        drop(Mapping {
            start: self.start,
            length: offset,
        });
        core::mem::forget(self);
        Ok(Mapping { start, length })
    }

    /// Makes the first `length` bytes, a multiple of the page size, memory that may be used for anything from now on. What is left of the range is behind them.
    ///
    /// # Errors
    /// ENOMEM if there are fewer; `mprotect(2)`.
    pub fn take_memory(&mut self, length: usize) -> Result<&'static mut [MaybeUninit<u8>], Errno> {
        let start = self.part(0, length).map_err(|_| Errno::ENOMEM)?;
        // SAFETY: the range is the mapping's own, and nobody uses it.
        unsafe { call::mprotect(start, length, call::PROT_READ | call::PROT_WRITE) }?;
        self.start = self.start.wrapping_add(length);
        self.length = self.length.wrapping_sub(length);
        // SAFETY: the range is readable, writable, and no longer the mapping's, so it stays, and this is the only reference to it.
        Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut MaybeUninit<u8>, length) })
    }

    /// Keeps it for as long as the process lives, and returns its address.
    pub fn leak(self) -> usize {
        let start = self.start;
        core::mem::forget(self);
        start
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.length != 0 {
            // SAFETY: the range is this value's own. Nothing can be done about one that the kernel does not take back.
            let _ = unsafe { call::munmap(self.start, self.length) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::{PROT_NONE, PROT_READ, PROT_WRITE};

    const PAGE: usize = 4096;

    /// Reserves pages where the kernel maps nothing for anybody else, so that no other test comes between: far below its own choice.
    fn reserve(page: usize, pages: usize) -> Result<Mapping, Errno> {
        Mapping::reserve_at(0x10_0000_0000 + page * PAGE, pages * PAGE)
    }

    #[test]
    fn a_range_is_its_owner_s_until_it_is_dropped() {
        let mapping = reserve(0, 3).unwrap();
        let start = mapping.start();
        assert!((0..3).all(|page| reserve(page, 1).is_err()));
        let middle = mapping.trimmed(PAGE, PAGE).unwrap();
        assert_eq!((middle.start(), middle.length()), (start + PAGE, PAGE));
        assert_eq!([0, 1, 2].map(|page| reserve(page, 1).is_ok()), [true, false, true]);
        assert!(middle.trimmed(PAGE, PAGE).is_err());
        assert!(reserve(1, 1).is_ok());
    }

    #[test]
    fn contents_lie_inside_and_are_cleared_only_where_they_may_be_written() {
        let mut mapping = Mapping::new(0, 2 * PAGE, PROT_NONE, Content::RESERVED).unwrap();
        let zeros = Content::ZEROS;
        for (offset, length) in [(PAGE, 2 * PAGE), (3 * PAGE, PAGE), (0, usize::MAX)] {
            assert_eq!(mapping.put(offset, length, PROT_READ, zeros, 0..0), Err(Errno::EINVAL));
            assert_eq!(mapping.protect(offset, length, PROT_READ), Err(Errno::EINVAL));
        }
        let writable = PROT_READ | PROT_WRITE;
        assert_eq!(mapping.put(PAGE, PAGE, PROT_READ, zeros, 0..1), Err(Errno::EACCES));
        let outside = mapping.put(PAGE, PAGE, writable, zeros, 1..PAGE + 1);
        assert_eq!(outside, Err(Errno::EINVAL));
        mapping.put(PAGE, PAGE, writable, zeros, 1..PAGE).unwrap();
        mapping.protect(PAGE, PAGE, PROT_READ).unwrap();
    }

    #[test]
    fn what_is_cleared_is_a_file_s_no_longer() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let content = Content::of_file(std::os::fd::AsRawFd::as_raw_fd(&file), 0);
        let mut mapping = Mapping::new(0, PAGE, PROT_NONE, Content::RESERVED).unwrap();
        mapping.put(0, PAGE, PROT_READ | PROT_WRITE, content, 1..3).unwrap();
        let memory = mapping.take_memory(PAGE).unwrap();
        // SAFETY: the kernel made the bytes.
        let start = [0, 1, 2, 3].map(|at| unsafe { memory[at].assume_init() });
        assert_eq!(&start, b"\x7f\0\0F");
    }

    #[test]
    fn memory_is_taken_from_the_front_and_stays() {
        let mut mapping = reserve(8, 2).unwrap();
        let start = mapping.start();
        assert_eq!(mapping.take_memory(3 * PAGE).map(drop), Err(Errno::ENOMEM));
        let memory = mapping.take_memory(PAGE).unwrap();
        assert_eq!((mapping.start(), mapping.length()), (start + PAGE, PAGE));
        drop(mapping);
        assert_eq!([8, 9].map(|page| reserve(page, 1).is_ok()), [false, true]);
        memory[PAGE - 1].write(7);
        assert_eq!(memory.as_ptr().addr(), start);
    }
}
