//! lode: an ELF program interpreter for Linux, as a library that tests and tools use too.
//!
//! The kernel maps a program and the interpreter that its PT_INTERP names, and jumps to the interpreter. What happens then, in order:
//!
//! 1. The entry relocates lode itself, in assembly (`crt::entry!`).
//! 2. [`process`] reads what was asked, and whether the process is *secure*.
//! 3. [`stages::map`] finds, checks and maps the libraries, breadth-first: [`stages::map::Mapped`].
//! 4. [`stages::link`] agrees on versions, places thread-local storage and decides the order: [`stages::link::Linked`].
//! 5. [`stages::relocate`] makes every plain word final: [`stages::relocate::Relocated`].
//! 6. [`abi`] wakes the libc that was found: thread pointer, guards, CPU features: [`stages::resolve::Awake`].
//! 7. [`stages::resolve`] calls the program's resolvers and copies data: [`stages::resolve::Resolved`].
//! 8. [`stages::protect`] takes write access away: [`stages::protect::Protected`].
//! 9. [`stages::init`] publishes the modules; constructors run; `main.rs` jumps to the program.
//!
//! `dlopen` ([`dl`]) walks the same line with another root.
//!
//! | room | what it is for |
//! |---|---|
//! | [`error`], [`event`] | every way to fail; everything that happens |
//! | [`elf`], [`layout`] | bytes to values; where a module's segments go |
//! | [`image`] | the one checked door to module memory |
//! | [`foreign`] | what C hands over and takes back |
//! | [`symbols`], [`scope`] | look-up in one module; in many |
//! | [`arch`], [`cpuid`], [`tls`] | numbers of machines; the processor; arithmetic of thread-local storage |
//! | [`process`], [`search`] | what was asked; where a library may be |
//! | [`world`], [`stages`] | what is loaded; the straight line |
//! | [`abi`], [`thread`] | the libcs; a thread's vector of blocks |
//! | [`dl`], [`debugger`], [`view`] | the running process; what gdb reads; `LD_DEBUG` |
//! | [`restore`] | puts the loader back that lode replaced |
//! | [`sys`] | Linux, and what only instructions can do |
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

pub mod abi;
pub mod arch;
pub mod cpuid;
pub mod debugger;
pub mod dl;
pub mod elf;
pub mod error;
pub mod event;
pub mod foreign;
pub mod image;
pub mod layout;
pub mod process;
pub mod restore;
pub mod scope;
pub mod search;
pub mod stages;
pub mod symbols;
pub mod sys;
pub mod thread;
pub mod tls;
pub mod view;
pub mod world;
