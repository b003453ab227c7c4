//! What a freestanding program needs to start on Linux: the entry point, self-relocation, a checked view
//! of the kernel's initial stack, system calls and the memory functions that compilers call by name.
//!
//! A binary crate brings it all in with one line:
//!
//! ```ignore
//! crt::entry!(start);
//!
//! unsafe extern "C" fn start(stack: *const usize) -> ! {
//!     // SAFETY: the entry passes the kernel's own stack pointer.
//!     let stack = unsafe { crt::Stack::new(stack) };
//!     crt::syscall::exit_group(stack.argument_count() as i32)
//! }
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`entry!`] | `_start`, self-relocation, memory functions: instructions, placed in the binary that asks |
//! | [`stack`] | argc, argv, envp and auxv as the kernel left them |
//! | [`auxv`] | the names of the auxiliary vector's entries |
//! | [`syscall`] | raw system calls and the typed ones that a loader needs |
//! | [`mapping`] | address space that has an owner |
//! | [`errno`] | error numbers with names and texts |
//! | [`packed`] | texts that take less room |
//! | [`print`] | formatted text to standard error |
//!
//! # Safety
//! This crate is where addresses and registers become values, so it is full of `unsafe`. Each block
//! names the fact that it rests on; callers establish the rest through the contracts of `unsafe` functions.

#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(test)]
extern crate std;

#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
mod arch;
pub mod auxv;
mod entry;
pub mod errno;
pub mod mapping;
pub mod packed;
pub mod print;
pub mod stack;
pub mod syscall;

pub use arch::prefetch;
pub use errno::Errno;
pub use mapping::{Content, Mapping};
pub use print::{Stderr, line};
pub use stack::Stack;
