//! The outside: mappings, files, the thread pointer, and calls into loaded code.
//!
//! # Safety
//! This room exists to do what Rust cannot check: it makes and removes mappings, changes their protection, sets the thread pointer
//! and calls addresses that came out of files. It relies on three facts. A mapping is only removed by the [`crate::image::Reservation`] that owns
//! it. A fixed mapping is only made inside a reservation of the same call. An address is only called after a stage has checked that
//! it lies in an executable segment, or when the ABI says that it is code (constructors).
#![allow(unsafe_code)]

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr::NonNull;

pub mod heap;
pub mod linux;
pub mod present;

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
pub mod machine;

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
    /// At least `size` bytes, aligned to 16. `None` when there is no memory.
    pub fn zeroed(size: usize) -> Option<Memory> {
        let words = size.div_ceil(16);
        let mut memory: Vec<u128> = Vec::new();
        memory.try_reserve_exact(words).ok()?;
        memory.resize(words, 0);
        let words = memory.capacity();
        Some(Memory {
            base: NonNull::from(memory.leak()).cast(),
            words,
        })
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
        // SAFETY: the parts that `zeroed` took from a vector.
        drop(unsafe { Vec::from_raw_parts(self.base.as_ptr(), 0, self.words) });
    }
}

/// A C string that lives as long as the process. A name with a NUL inside ends there.
pub fn c_string(bytes: &[u8]) -> &'static CStr {
    let mut text = bytes.to_vec();
    text.extend_from_slice(b"\0");
    CStr::from_bytes_until_nul(text.leak()).unwrap_or(c"")
}
