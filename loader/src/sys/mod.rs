//! The outside: mappings, files, the thread pointer, and calls into loaded code.
//!
//! # Safety
//! This room exists to do what Rust cannot check: it makes and removes mappings, changes their protection, sets the thread pointer
//! and calls addresses that came out of files. It relies on three facts. A mapping is only removed by the [`crate::image::Reservation`] that owns
//! it. A fixed mapping is only made inside a reservation of the same call. An address is only called after a stage has checked that
//! it lies in an executable segment, or when the ABI says that it is code (constructors).
#![allow(unsafe_code)]

use core::ffi::CStr;

pub mod heap;
pub mod linux;
pub mod listing;
pub mod present;
pub mod probe;

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
pub mod machine;

/// A C string that lives as long as the process. A name with a NUL inside ends there.
pub fn c_string(bytes: &[u8]) -> &'static CStr {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let mut text = bytes.to_vec();
    text.truncate(end);
    text.extend_from_slice(b"\0");
    CStr::from_bytes_with_nul(text.leak()).unwrap_or(c"")
}
