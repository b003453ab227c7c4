//! The names that lode exports: what glibc's libc.so.6 imports from its loader, and what debuggers look for.
//!
//! They are defined here, in the binary, and not in the library: a test program that linked the library would otherwise take the place
//! of the real loader's objects in its own process. Which version node each name belongs to is in `exports.map`.
//!
//! # Safety
//! The names are those of the interface, and the data objects are words that libc and lode share by contract. The functions are called by C code with the
//! arguments that the interface states.
#![allow(unsafe_code, non_upper_case_globals)]

use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64};

use lode::abi::glibc::{Exports, entries};
use lode::foreign::{Answer, Given, Span, Text};
use lode::{debugger, dl};

/// Room for every glibc's `_rtld_global` (2.31 to 2.43: 2120 to 4336 bytes).
const GLOBAL_WORDS: usize = 544;

/// Room for every glibc's `_rtld_global_ro` (544 to 976 bytes).
const GLOBAL_RO_WORDS: usize = 128;

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.rtld_global")]
static _rtld_global: [AtomicU64; GLOBAL_WORDS] = [const { AtomicU64::new(0) }; GLOBAL_WORDS];

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.rel.ro")]
static _rtld_global_ro: [AtomicU64; GLOBAL_RO_WORDS] = [const { AtomicU64::new(0) }; GLOBAL_RO_WORDS];

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.rel.ro")]
static __libc_enable_secure: AtomicI32 = AtomicI32::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.rel.ro")]
static _dl_argv: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.rel.ro")]
static __libc_stack_end: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.rel.ro")]
static __rseq_size: AtomicU32 = AtomicU32::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.rel.ro")]
static __rseq_offset: AtomicI64 = AtomicI64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.rel.ro")]
static __rseq_flags: AtomicU32 = AtomicU32::new(0);

/// Written by libthread_db when a debugger attaches before the first thread starts.
#[unsafe(no_mangle)]
static __nptl_initial_report_events: AtomicU8 = AtomicU8::new(0);

// The symbol has the size of the first version of the protocol, which programs copy; debuggers find the rest behind it.
core::arch::global_asm!(
    ".pushsection .bss.r_debug, \"aw\", @nobits",
    ".globl _r_debug",
    ".type _r_debug, @object",
    ".p2align 3",
    "_r_debug: .space {size}",
    ".size _r_debug, 40",
    ".popsection",
    size = const size_of::<debugger::RDebug>(),
);

// SAFETY: defined above, with room for the structure, which may be zero.
unsafe extern "C" {
    safe static _r_debug: debugger::RDebug;
}

/// Exists so that libraries may require the version node GLIBC_2.34 of the loader.
#[unsafe(no_mangle)]
static __rtld_version_placeholder: u32 = 0;

unsafe extern "C" {
    fn lode_tls_get_addr_apart();
}

/// What lode has in place of definitions of musl's libc.
pub fn substitutes_of_musl() -> [(&'static [u8], usize); 9] {
    use dl::doors;
    let stop_at = _dl_debug_state as extern "C" fn() as usize;
    [
        (b"dlopen", doors::dlopen_here as *const () as usize),
        (b"dlsym", doors::dlsym_here as *const () as usize),
        (b"dlclose", doors::dlclose as *const () as usize),
        (b"dlerror", dl::dlerror as *const () as usize),
        (b"dladdr", dl::dladdr as *const () as usize),
        (b"dlinfo", dl::dlinfo as *const () as usize),
        (b"dl_iterate_phdr", doors::iterate_phdr as *const () as usize),
        (b"__tls_get_addr", lode_tls_get_addr_apart as *const () as usize),
        (b"_dl_debug_state", stop_at),
    ]
}

/// The addresses of the data objects.
pub fn objects() -> Exports {
    Exports {
        rtld_global: Span::of(&_rtld_global),
        rtld_global_ro: Span::of(&_rtld_global_ro),
        enable_secure: &__libc_enable_secure,
        argv: &_dl_argv,
        stack_end: &__libc_stack_end,
        rseq_size: &__rseq_size,
        rseq_offset: &__rseq_offset,
        report_events: &__nptl_initial_report_events,
    }
}

/// Announces `_r_debug` to debuggers.
pub fn announce(loader_base: u64) {
    static EXPORTED: debugger::Exported = debugger::Exported {
        structure: &_r_debug,
        stop: _dl_debug_state,
    };
    debugger::announce(&EXPORTED, loader_base);
}

/// Where debuggers put their breakpoint.
///
/// A leaf, so that a debugger that stops at its first instruction unwinds from there.
#[unsafe(no_mangle)]
#[unsafe(naked)]
#[unsafe(link_section = ".text.lode_leaves")]
extern "C" fn _dl_debug_state() {
    core::arch::naked_asm!("ret")
}

lode::tls_get_addr!();

// What valgrind's memcheck looks for in a file of this soname before it starts anything: it replaces both, and refuses a loader without a symbol for each.
// They are real, and nobody calls them. As dynamic symbols they are still there when the file is stripped; their version is not the default one, so
// that neither a relocation nor `dlsym` nor a static linker that asks for a plain `strlen` finds them here.
core::arch::global_asm!(
    ".pushsection .text.lode_leaves, \"ax\", @progbits",
    ".globl lode_strlen",
    ".type lode_strlen, @function",
    "lode_strlen:",
    "jmp {strlen}",
    ".size lode_strlen, . - lode_strlen",
    ".globl lode_index",
    ".type lode_index, @function",
    "lode_index:",
    "mov rax, rdi",
    "2: cmp byte ptr [rax], sil",
    "je 3f",
    "cmp byte ptr [rax], 0",
    "lea rax, [rax + 1]",
    "jne 2b",
    "xor eax, eax",
    "3: ret",
    ".size lode_index, . - lode_index",
    ".symver lode_strlen, strlen@GLIBC_PRIVATE",
    ".symver lode_index, index@GLIBC_PRIVATE",
    ".popsection",
    strlen = sym strlen,
);

unsafe extern "C" {
    fn strlen(text: *const c_char) -> usize;
}

#[unsafe(no_mangle)]
extern "C" fn _dl_find_dso_for_object(address: *const c_void) -> *const c_void {
    dl::find_dso_for_object(address)
}

#[unsafe(no_mangle)]
extern "C" fn _dl_allocate_tls(tcb: Given) -> *mut c_void {
    entries::allocate_tls(tcb)
}

// libc 2.35 and later pass a second argument, of changing value; it does not matter here.
#[unsafe(no_mangle)]
extern "C" fn _dl_allocate_tls_init(tcb: Given) -> *mut c_void {
    entries::renew_tls(tcb)
}

#[unsafe(no_mangle)]
extern "C" fn _dl_deallocate_tls(tcb: Given, _free_tcb: bool) {
    entries::deallocate_tls(tcb);
}

#[unsafe(no_mangle)]
extern "C-unwind" fn __tunable_get_val(
    id: c_int,
    value: Answer<c_void>,
    callback: Option<extern "C-unwind" fn(*mut c_void)>,
) {
    entries::tunable_get_val(id, value, callback);
}

#[unsafe(no_mangle)]
extern "C" fn __tunable_is_initialized(id: c_int) -> bool {
    dl::with_glibc(|glibc| usize::try_from(id).is_ok_and(|id| glibc.tunables.get(id).1)).unwrap_or(false)
}

#[unsafe(no_mangle)]
extern "C" fn __nptl_change_stack_perm(pthread: Given) -> c_int {
    entries::change_stack_perm(pthread)
}

/// Auditing is not supported, so there is nothing to tell.
#[unsafe(no_mangle)]
extern "C" fn _dl_audit_preinit(_map: *const c_void) {}

#[unsafe(no_mangle)]
extern "C" fn _dl_audit_symbind_alt(
    _map: *const c_void,
    _reference: *const c_void,
    _value: *mut c_void,
    _result: *const c_void,
) {
}

#[unsafe(no_mangle)]
extern "C" fn _dl_mcount(_from: usize, _to: usize) {}

#[unsafe(no_mangle)]
extern "C" fn _dl_get_tls_static_info(size: Answer<usize>, align: Answer<usize>) {
    let (bytes, alignment) = dl::with_glibc(|glibc| {
        // Asked by the libpthread.so.0 of releases up to 2.33, which have the members here.
        let global = glibc.global?;
        let at = &glibc.layout.rtld_global;
        Some((global.get(at.dl_tls_static_size?), global.get(at.dl_tls_static_align?)))
    })
    .flatten()
    .unwrap_or((0, 64));
    size.put(bytes as usize);
    align.put(alignment as usize);
}

/// Prints a message of libc and ends the process. The format knows %s, %d, %u and %x; lode prints it as it stands, since
/// C's variable arguments cannot be read here.
#[unsafe(no_mangle)]
extern "C" fn _dl_fatal_printf(format: Text<'_>) -> ! {
    crt::Stderr.write_bytes(format.bytes().unwrap_or_default());
    crt::syscall::exit_group(127)
}

/// In the branch of 2.33 libc finds `_dl_catch_error` here.
#[unsafe(no_mangle)]
static _dl_catch_error_ptr: extern "C" fn() -> ! = _dl_catch_error;

#[cold]
fn stop_in(function: &str) -> ! {
    dl::stop(&lode::error::text(format_args!(
        "libc called {function}, which is not reached while dlopen is hooked"
    )))
}

macro_rules! never_reached {
    ($($name:ident),* $(,)?) => {$(
        /// libc reaches this only when the hook table is not set; it stops with its name.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            stop_in(stringify!($name))
        }
    )*};
}

never_reached!(
    _dl_rtld_di_serinfo,
    _dl_make_stack_executable,
    _dl_exception_create,
    _dl_exception_create_format,
    _dl_exception_free,
    _dl_catch_error,
    _dl_catch_exception,
    _dl_signal_error,
    _dl_signal_exception,
    _dl_x86_get_cpu_features,
);
