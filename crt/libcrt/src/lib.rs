//! `libcrt.a`: what a program without a C library needs around its `main`.
//!
//! Link it with `-nostdlib -nostartfiles`, in any shape: `-static`, `-static-pie` (relocated by itself) or
//! `-pie` (relocated by its interpreter). The program defines `int main(int argc, char **argv, char **envp)`
//! and gets `_start`, `exit`, `_exit` and the memory functions.
//!
//! Constructors (DT_PREINIT_ARRAY, DT_INIT_ARRAY) run once, whoever runs them: this library puts a
//! constructor of its own among them, and runs them all unless that one has run when the program starts.
//! In the same way destructors (DT_FINI_ARRAY) run at `exit` after the interpreter's finaliser, the
//! function that it passes in the register the psABI names, unless that finaliser has run them.
//!
//! # Safety
//! Everything here is called by the kernel, an interpreter or C: the unsafe blocks rest on the psABI's
//! process start and on the linker's symbols for the bounds of the arrays.

#![no_std]

use core::ffi::{c_char, c_int};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lode_crt::{Stack, Stderr, syscall};

lode_crt::program_entry!(start);
lode_crt::array_bounds!();

unsafe extern "C" {
    fn main(arguments: c_int, argv: *mut *const c_char, envp: *mut *const c_char) -> c_int;
}

type Constructor = unsafe extern "C" fn(c_int, *mut *const c_char, *mut *const c_char);
type Destructor = unsafe extern "C" fn();

/// Where the linker says that the arrays lie; null where there is none.
#[repr(C)]
struct ArrayBounds {
    preinit: [*const Constructor; 2],
    init: [*const Constructor; 2],
    fini: [*const Destructor; 2],
}

unsafe extern "C" {
    /// Fills in the bounds; instructions, because weak symbols cannot be named in stable Rust.
    fn __crt_array_bounds(bounds: *mut ArrayBounds);
}

fn array_bounds() -> ArrayBounds {
    let mut bounds = ArrayBounds {
        preinit: [core::ptr::null(); 2],
        init: [core::ptr::null(); 2],
        fini: [core::ptr::null(); 2],
    };
    // SAFETY: the function writes six words, the size of the structure.
    unsafe { __crt_array_bounds(&mut bounds) };
    bounds
}

static CONSTRUCTED: AtomicBool = AtomicBool::new(false);
static DESTROYED: AtomicBool = AtomicBool::new(false);
/// The interpreter's finaliser; 0: none.
static FINALISER: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn note_construction(_: c_int, _: *mut *const c_char, _: *mut *const c_char) {
    CONSTRUCTED.store(true, Ordering::Relaxed);
}

unsafe extern "C" fn note_destruction() {
    DESTROYED.store(true, Ordering::Relaxed);
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTION_NOTE: Constructor = note_construction;

#[used]
#[unsafe(link_section = ".fini_array")]
static DESTRUCTION_NOTE: Destructor = note_destruction;

unsafe extern "C" fn start(stack: *const usize, finaliser: usize) -> ! {
    // SAFETY: the entry passes the initial stack, which is the program's from here on.
    let stack = unsafe { Stack::new(stack) };
    FINALISER.store(finaliser, Ordering::Relaxed);
    let count = stack.argument_count() as c_int;
    let (argv, envp) = (stack.argv(), stack.envp());
    if !CONSTRUCTED.load(Ordering::Relaxed) {
        let bounds = array_bounds();
        // SAFETY: the linker bounds the arrays; their entries are constructors of this program, which
        // nobody has run.
        unsafe {
            construct(bounds.preinit, count, argv, envp);
            construct(bounds.init, count, argv, envp);
        }
    }
    // SAFETY: main is the program's, with C's signature.
    let status = unsafe { main(count, argv, envp) };
    exit(status)
}

/// Calls the constructors from `first` up to `end`.
///
/// # Safety
/// The bounds are those of an array of constructors (or null), which may run now.
unsafe fn construct(
    [first, end]: [*const Constructor; 2],
    count: c_int,
    argv: *mut *const c_char,
    envp: *mut *const c_char,
) {
    let mut next = first;
    while next < end {
        // SAFETY: within the array, as the caller says.
        unsafe { next.read()(count, argv, envp) };
        next = next.wrapping_add(1);
    }
}

/// Ends the process after the interpreter's finaliser and the destructors.
#[unsafe(no_mangle)]
pub extern "C" fn exit(status: c_int) -> ! {
    let finaliser = FINALISER.swap(0, Ordering::Relaxed);
    if finaliser != 0 {
        // SAFETY: the interpreter passed the address of a function without arguments, to be called once.
        unsafe { core::mem::transmute::<usize, Destructor>(finaliser)() };
    }
    if !DESTROYED.load(Ordering::Relaxed) {
        let bounds = array_bounds();
        let [first, end] = bounds.fini;
        let mut next = end;
        while next > first {
            next = next.wrapping_sub(1);
            // SAFETY: within the linker's bounds of the array; the destructors have not run.
            unsafe { next.read()() };
        }
    }
    _exit(status)
}

/// Ends the process at once.
#[unsafe(no_mangle)]
pub extern "C" fn _exit(status: c_int) -> ! {
    syscall::exit_group(status)
}

#[panic_handler]
fn panic(information: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Stderr, "{information}");
    let _ = syscall::kill(syscall::getpid(), syscall::SIGABRT);
    syscall::exit_group(127)
}
