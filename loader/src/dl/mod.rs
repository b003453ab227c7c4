//! The running process: what is loaded, who may change it, and the dlfcn family — C in, the same stages, C out.
//!
//! What is loaded is one published [`World`](crate::world::World) that never changes ([`published`]). Whoever loads something holds the
//! long lock ([`locks`]), makes the next world from a copy, and publishes it.
//!
//! # Safety
//! See the files of this room; here only the doors (`door!`) are unsafe, which are machine code.
#![allow(unsafe_code)]

mod close;
mod constructors;
mod failure;
mod information;
mod locks;
mod musl;
mod open;
mod owned;
mod published;
mod symbol;
mod threads;

use alloc::boxed::Box;
use core::ffi::CStr;
use core::fmt::Write;

use crate::abi::Abi;
use crate::abi::glibc::{AroundFork, Glibc};
use crate::abi::musl::Musl;
use crate::error::{Error, Fault, Kind, Lossy, Name, Result, Stage};
use crate::event::Log;
use crate::foreign::Lasting;
use crate::search::Searcher;
use crate::stages::relocate::{Allow, Substitute};
use crate::sys::linux::Linux;

pub use constructors::{call_all, initialise};
pub use failure::{clear_thread, dlerror, forget_thread, set_own_words};
pub use information::{dladdr, dladdr1, dlinfo, find_dso_for_object};
pub use locks::{Loading, in_the_child};
pub use musl::{announce_thread, come_to_life, run_constructors};
pub(crate) use owned::AtomicBox;
pub use published::{code_at, publish, with_module_at, with_module_of_map, with_world};
pub use symbol::bind_slot;
pub use threads::{is_initial_dtv, prepare_malloc, resolve, tls_block};

/// What the start decided and later operations need.
#[derive(Debug)]
pub struct Runtime {
    /// The outside.
    pub linux: Linux,
    /// Where names may be.
    pub searcher: Searcher<'static>,
    /// The x86-64 level of the CPU.
    pub cpu_level: u8,
    /// LD_BIND_NOW.
    pub bind_now: bool,
    /// `--allow`.
    pub allow: Allow,
    /// `--strict`.
    pub strict: bool,
    /// `--seal`, or the process is secure.
    pub seal: bool,
    /// Who reads events.
    pub log: Log<'static>,
    /// The libc.
    pub abi: Abi,
    /// Definitions of libc that lode's own take the place of.
    pub substitutes: &'static [Substitute],
    /// argv[0], for messages and for `dladdr`.
    pub program: &'static CStr,
    /// What constructors are called with.
    pub arguments: Arguments,
    /// What each libc is to call around a fork.
    pub around_fork: AroundFork,
}

/// The arguments of constructors, by address.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    /// argc
    pub count: usize,
    /// argv
    pub values: usize,
    /// envp
    pub environment: usize,
}

static RUNTIME: Lasting<Runtime> = Lasting::none();

/// Stores what the start decided. Called once.
pub fn set_runtime(runtime: Runtime) -> &'static Runtime {
    let runtime = Box::leak(Box::new(runtime));
    RUNTIME.set(runtime);
    runtime
}

fn runtime() -> Option<&'static Runtime> {
    RUNTIME.get()
}

/// Calls `body` with glibc's state. `None` in a process of another libc.
pub fn with_glibc<T>(body: impl FnOnce(&Glibc) -> T) -> Option<T> {
    match &runtime()?.abi {
        Abi::Glibc(glibc) => Some(body(glibc)),
        Abi::Bare | Abi::Musl(_) => None,
    }
}

/// Calls `body` with musl's state. `None` in a process of another libc.
pub fn with_musl<T>(body: impl FnOnce(&Musl) -> T) -> Option<T> {
    match &runtime()?.abi {
        Abi::Musl(musl) => Some(body(musl)),
        Abi::Bare | Abi::Glibc(_) => None,
    }
}

/// Ends the process with a line about lode itself.
pub fn stop(text: &str) -> ! {
    let program = runtime().map_or(&b"lode"[..], |runtime| runtime.program.to_bytes());
    let _ = writeln!(crt::Stderr, "{}: {text}", Lossy(program));
    crt::syscall::exit_group(127)
}

fn answer<T>(result: Result<T>, on_failure: T) -> T {
    if result.is_ok() {
        failure::forget();
    }
    result.unwrap_or_else(|error| {
        failure::set_failure(error);
        on_failure
    })
}

#[cold]
#[inline(never)]
fn call_error(fault: impl Into<Fault>, culprit: &[u8]) -> Box<Error> {
    fault.into().of(Stage::Call, &Name::new(culprit))
}

/// The error of a call that comes before the start has ended.
#[cold]
#[inline(never)]
fn too_early() -> Box<Error> {
    call_error(Kind::Busy, b"")
}
/// The functions of this room behind which code of the program may run and may unwind, as the program enters them.
pub mod doors {
    use core::ffi::{c_int, c_void};

    use super::information::{Visitor, visit};
    use super::published::Published;
    use crate::world::Namespace;

    crate::door!(
        /// [`super::open::dlopen`]
        dlopen => super::open::dlopen
    );
    crate::door!(
        /// [`super::open::dlopen`], called by the program itself.
        dlopen_here => super::open::dlopen, ".text.lode_doors", "mov rdx, [rbp + 8]"
    );
    crate::door!(
        /// [`super::symbol::dlsym`], called by the program itself.
        dlsym_here => super::symbol::dlsym, ".text.lode_doors", "mov rdx, [rbp + 8]"
    );
    crate::door!(
        /// [`super::open::dlmopen`]
        dlmopen => super::open::dlmopen
    );
    crate::door!(
        /// [`super::close::dlclose`]
        dlclose => super::close::dlclose
    );
    crate::door!(
        /// [`super::symbol::dlsym`]
        dlsym => super::symbol::dlsym
    );
    crate::door!(
        /// [`super::symbol::dlvsym`]
        dlvsym => super::symbol::dlvsym
    );
    crate::door!(
        /// [`super::open::libc_dlopen_mode`]
        libc_dlopen_mode => super::open::libc_dlopen_mode, ".text.lode_doors", "mov rdx, [rbp + 8]"
    );
    crate::door!(
        /// [`super::symbol::libc_dlsym`]
        libc_dlsym => super::symbol::libc_dlsym
    );
    crate::door!(
        /// [`super::symbol::libc_dlvsym`]
        libc_dlvsym => super::symbol::libc_dlvsym
    );
    crate::door!(
        /// [`super::information::iterate_phdr`]
        iterate_phdr => super::information::iterate_phdr, ".text.lode_doors", "mov rdx, [rbp + 8]"
    );
    crate::door!(
        /// [`super::information::visit`] for readers of the first count, who have an unwind rule of their own.
        visit_first: fn(visitor: Visitor, data: *mut c_void, published: &Published, namespace: Namespace) -> c_int => visit,
        ".text.lode_first_readers"
    );
    crate::door!(
        /// [`super::information::visit`] for readers of the second count.
        visit_second: fn(visitor: Visitor, data: *mut c_void, published: &Published, namespace: Namespace) -> c_int => visit,
        ".text.lode_second_readers"
    );
    crate::door!(
        /// [`super::constructors::finalise`]
        finalise => super::constructors::finalise
    );
}
