//! What only instructions can do on x86-64: descriptors of thread-local storage, the lazy binder, the jump to the program.
//!
//! # Safety
//! The code here is entered from the program with the program's registers. Each entry keeps what its ABI says it keeps: TLS descriptors
//! keep everything but rax and the flags (TLS Descriptors for x86, section 3), the binder keeps every register that may carry an argument,
//! vector and mask registers among them, because the Rust code behind them uses vector registers freely.
#![allow(unsafe_code)]

use core::arch::{asm, global_asm};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::arch;
use crate::cpuid::{Registers, SaveArea, SaveMethod};
use crate::elf::Address;
use crate::stages::relocate::Entries;

/// The numbers of this machine.
pub static MACHINE: &arch::Machine = &arch::x86_64::MACHINE;

/// Where libraries lie on this machine's systems.
pub static CONVENTIONS: &crate::search::Conventions = &crate::search::X86_64;

/// Bytes of the XSAVE area that the trampolines make; 0: FXSAVE saves all there is.
static VECTOR_STATE: AtomicU64 = AtomicU64::new(0);

/// The state components that they save (XCR0's bits).
static VECTOR_COMPONENTS: AtomicU64 = AtomicU64::new(0);

/// Not 0: XSAVEC, which leaves out the room of other components.
static VECTOR_COMPACT: AtomicU64 = AtomicU64::new(0);

/// Tells the trampolines how to save the state that may carry arguments.
pub fn set_vector_state(area: &SaveArea) {
    let size = match area.method {
        SaveMethod::Fxsave => 0,
        SaveMethod::Xsave | SaveMethod::Xsavec => u64::from(area.size),
    };
    VECTOR_COMPACT.store(u64::from(area.method == SaveMethod::Xsavec), Ordering::Relaxed);
    VECTOR_COMPONENTS.store(area.components.into(), Ordering::Relaxed);
    VECTOR_STATE.store(size, Ordering::Relaxed);
}

// Saves every caller-saved register, calls, restores. rbp is the frame; `$below` bytes stand between it and the saved registers. The area for
// the vector state lies below those, aligned to 64 bytes as XSAVE wants; its header is cleared first because XRSTOR refuses
// reserved bits that are set. The called function gets rax, and its answer is left 80 bytes below rsp.
macro_rules! save_all_and_call {
    ($target:literal, $below:literal) => {
        concat!(
            "push rcx\n",
            "push rdx\n",
            "push rsi\n",
            "push rdi\n",
            "push r8\n",
            "push r9\n",
            "push r10\n",
            "push r11\n",
            "push rax\n",
            "mov rdi, rax\n",
            "mov r11, [rip + {state}]\n",
            "test r11, r11\n",
            "jz 3f\n",
            "sub rsp, r11\n",
            "and rsp, -64\n",
            "xor eax, eax\n",
            "mov [rsp + 512], rax\n",
            "mov [rsp + 520], rax\n",
            "mov [rsp + 528], rax\n",
            "mov [rsp + 536], rax\n",
            "mov [rsp + 544], rax\n",
            "mov [rsp + 552], rax\n",
            "mov [rsp + 560], rax\n",
            "mov [rsp + 568], rax\n",
            "mov eax, [rip + {components}]\n",
            "xor edx, edx\n",
            "cmp dword ptr [rip + {compact}], 0\n",
            "jne 6f\n",
            "xsave64 [rsp]\n",
            "jmp 7f\n",
            "6:\n",
            "xsavec64 [rsp]\n",
            "7:\n",
            "call ",
            $target,
            "\n",
            "mov r11, rax\n",
            "mov eax, [rip + {components}]\n",
            "xor edx, edx\n",
            "xrstor64 [rsp]\n",
            "jmp 4f\n",
            "3:\n",
            "sub rsp, 512\n",
            "and rsp, -64\n",
            "fxsave64 [rsp]\n",
            "call ",
            $target,
            "\n",
            "mov r11, rax\n",
            "fxrstor64 [rsp]\n",
            "4:\n",
            "lea rsp, [rbp - 72 - ",
            $below,
            "]\n",
            // The answer takes the place of rax or r11; both are reloaded by the user of this text.
            "mov [rsp - 8], r11\n",
            "pop rax\n",
            "pop r11\n",
            "pop r10\n",
            "pop r9\n",
            "pop r8\n",
            "pop rdi\n",
            "pop rsi\n",
            "pop rdx\n",
            "pop rcx\n",
        )
    };
}

// The linker script says how to unwind through this code: leaves have no frame; everything else has one with rbp.
global_asm!(
    ".pushsection .text.lode_leaves, \"ax\", @progbits",
    // The block is in static TLS: the second word of the descriptor is the distance from the thread pointer.
    ".p2align 4",
    ".globl lode_tls_static", ".hidden lode_tls_static", ".type lode_tls_static, @function",
    "lode_tls_static:",
    "mov rax, [rax + 8]",
    "ret",
    ".size lode_tls_static, . - lode_tls_static",
    // A weak symbol that nothing defines: thread pointer plus answer must be the addend, 0 as a rule.
    ".p2align 4",
    ".globl lode_tls_undefined", ".hidden lode_tls_undefined", ".type lode_tls_undefined, @function",
    "lode_tls_undefined:",
    "mov rax, [rax + 8]",
    "sub rax, fs:[0]",
    "ret",
    ".size lode_tls_undefined, . - lode_tls_undefined",
    ".popsection",
    ".pushsection .text.lode_trampolines, \"ax\", @progbits",
    // The block is allocated when a thread first touches it: look into the dtv, else ask.
    ".p2align 4",
    ".globl lode_tls_dynamic", ".hidden lode_tls_dynamic", ".type lode_tls_dynamic, @function",
    "lode_tls_dynamic:",
    "push rdi",
    "push rsi",
    "mov rdi, [rax + 8]",
    "mov rsi, fs:[8]",
    "5:",
    "mov rax, [rip + {generation}]",
    "cmp rax, [rsi]",
    "jne 2f",
    "mov rax, rdi",
    "shr rax, 40",
    "cmp rax, [rsi - 16]",
    "ja 2f",
    "shl rax, 4",
    "mov rax, [rsi + rax]",
    "cmp rax, -1",
    "je 2f",
    "shl rdi, 24",
    "sar rdi, 24",
    "add rax, rdi",
    "sub rax, fs:[0]",
    "pop rsi",
    "pop rdi",
    "ret",
    // Where libc has a vector of its own.
    ".globl lode_tls_dynamic_apart", ".hidden lode_tls_dynamic_apart", ".type lode_tls_dynamic_apart, @function",
    "lode_tls_dynamic_apart:",
    "push rdi",
    "push rsi",
    "mov rdi, [rax + 8]",
    "mov rsi, [rip + {place}]",
    "mov rsi, fs:[rsi + 8]",
    "test rsi, rsi",
    "jnz 5b",
    "2:",
    "mov rax, rdi",
    "pop rsi",
    "pop rdi",
    "push rbp",
    "mov rbp, rsp",
    save_all_and_call!("{packed}", "0"),
    "mov rax, [rsp - 80]",
    "sub rax, fs:[0]",
    "pop rbp",
    "ret",
    ".size lode_tls_dynamic, . - lode_tls_dynamic",
    // Entered from PLT0 with the module's number and the index of the slot's relocation on the stack, below the return address. The place of
    // the index becomes that of the caller's frame pointer, so that this is a frame like any other.
    ".p2align 4",
    ".globl lode_lazy", ".hidden lode_lazy", ".type lode_lazy, @function",
    "lode_lazy:",
    "xchg rbp, [rsp + 8]",
    "push rbp",
    "lea rbp, [rsp + 16]",
    save_all_and_call!("{lazy}", "16"),
    "mov r11, [rsp - 80]",
    "mov rsp, rbp",
    "pop rbp",
    "jmp r11",
    ".size lode_lazy, . - lode_lazy",
    ".popsection",
    state = sym VECTOR_STATE,
    components = sym VECTOR_COMPONENTS,
    compact = sym VECTOR_COMPACT,
    packed = sym tls_block_of_descriptor,
    generation = sym crate::thread::GENERATION,
    place = sym crate::thread::VECTOR_PLACE,
    lazy = sym lazy_from_stack,
);

unsafe extern "C" {
    fn lode_tls_static();
    fn lode_tls_undefined();
    fn lode_tls_dynamic();
    fn lode_tls_dynamic_apart();
    fn lode_lazy();
}

/// The slow half of a dynamic descriptor, with its second word: the module's number and, signed, the offset.
extern "C" fn tls_block_of_descriptor(packed: u64) -> u64 {
    crate::dl::tls_block(packed >> 40).wrapping_add_signed((packed << 24).cast_signed() >> 24)
}

/// The slow half of `__tls_get_addr`, with the address of a module's number and an offset, as R_X86_64_DTPMOD64 and R_X86_64_DTPOFF64 stored them.
pub extern "C" fn tls_block(&[module, offset]: &[u64; 2]) -> u64 {
    crate::dl::tls_block(module).wrapping_add(offset)
}

/// The Rust half of the binder. Below the frame stand the two words that PLT0 left: the module's number, the index.
#[unsafe(naked)]
unsafe extern "C" fn lazy_from_stack() -> u64 {
    core::arch::naked_asm!(
        "mov rdi, [rbp - 8]",
        "mov rsi, [rbp - 16]",
        "jmp {bind}",
        bind = sym bind,
    )
}

extern "C" fn bind(module: u64, index: u64) -> u64 {
    crate::dl::bind_slot(module, index).0
}

/// What a function slot leads to while the resolver that decides it has not run.
extern "C" fn pending() -> ! {
    crate::dl::stop("a function was called whose resolver (IFUNC) has not run yet: a resolver depends on it in a cycle")
}

fn address_of(function: unsafe extern "C" fn()) -> Address {
    Address(function as usize as u64)
}

/// The addresses that relocated words may point to. The vector of blocks is where glibc has its own, or `apart`.
pub fn entries(apart: bool) -> Entries {
    Entries {
        lazy: address_of(lode_lazy),
        pending: Address(pending as extern "C" fn() -> ! as usize as u64),
        tls_static: address_of(lode_tls_static),
        tls_dynamic: address_of(if apart {
            lode_tls_dynamic_apart
        } else {
            lode_tls_dynamic
        }),
        tls_undefined: address_of(lode_tls_undefined),
    }
}

/// The thread pointer; 0 before one was set.
pub fn thread_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reads the word at the thread pointer, which is the pointer itself (psABI, TLS variant II). Callers run after it was set.
    unsafe { asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags)) };
    pointer
}

/// The first two words of what the word behind the thread pointer leads to: the vector of blocks of a libc that started itself.
pub fn vector() -> [u64; 2] {
    let vector: *const [u64; 2];
    // SAFETY: as in `thread_pointer`; libc keeps the address of its vector there, which has these two words when there is a block.
    unsafe {
        asm!("mov {}, fs:[8]", out(reg) vector, options(nostack, readonly, preserves_flags));
        vector.read()
    }
}

/// Who called the function that asks, and who called that, as link-time addresses behind the calls. Ends where the caller is not `code`, which is the loader's from
/// its first byte on, and after eight.
#[inline(always)]
pub fn callers(code: Range<usize>) -> impl Iterator<Item = u64> {
    let mut frame: *const usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    let next = move || {
        if frame.is_null() {
            return None;
        }
        // SAFETY: all code of the loader keeps its caller's frame pointer where rbp points, and the return address behind it. The first frame is that of the
        // function that asks, each further one that of code which was just seen to be the loader's; the outermost is null.
        let [outer, address] = unsafe { frame.cast::<[usize; 2]>().read() };
        frame = core::ptr::with_exposed_provenance(outer);
        code.contains(&address).then(|| (address - code.start) as u64)
    };
    core::iter::from_fn(next).take(8)
}

/// One CPUID query.
pub fn cpuid(leaf: u32, subleaf: u32) -> Registers {
    let answer = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    Registers {
        eax: answer.eax,
        ebx: answer.ebx,
        ecx: answer.ecx,
        edx: answer.edx,
    }
}

/// XCR0: the state components that the system keeps. Call only when CPUID says OSXSAVE.
pub fn xgetbv() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: OSXSAVE means that the instruction exists and may be used.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Leaves lode for the program: the stack as the kernel made it, the finaliser in rdx, no outer frame (psABI, "Process Initialization").
///
/// # Safety
/// `stack` is the address of argc, 16-byte aligned; `entry` is the program's entry; `finaliser` may be called at any later time. Nothing of lode's frames
/// is needed again.
#[unsafe(naked)]
pub unsafe extern "C" fn jump(stack: *const usize, entry: u64, finaliser: usize) -> ! {
    // The finaliser is the third argument: it is in rdx.
    core::arch::naked_asm!("mov rsp, rdi", "xor ebp, ebp", "jmp rsi")
}

/// Where lode's stack is while libc starts itself.
static OWN_STACK: AtomicU64 = AtomicU64::new(0);

/// Enters a libc that starts itself, and comes back when libc jumps to [`entered`].
///
/// # Safety
/// `stack` is the top of a stack for libc's loader, with words there as the kernel leaves them for an interpreter, aligned to 16 bytes. `entry` is the code that the
/// kernel would enter.
#[unsafe(naked)]
#[unsafe(link_section = ".text.lode_doors")]
pub unsafe extern "C" fn enter(stack: u64, entry: u64) {
    core::arch::naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov [rip + {own}], rsp",
        "mov rsp, rdi",
        "mov rax, rsi",
        "xor edx, edx",
        "xor ebp, ebp",
        "jmp rax",
        own = sym OWN_STACK,
    )
}

/// What libc is told to be the program's entry.
pub fn entered() -> usize {
    lode_entered as *const () as usize
}

#[unsafe(naked)]
#[unsafe(link_section = ".text.lode_leaves")]
unsafe extern "C" fn lode_entered() {
    core::arch::naked_asm!(
        "mov rsp, [rip + {own}]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        own = sym OWN_STACK,
    )
}

/// Defines `__tls_get_addr` in the binary that uses it: looks into the dtv if that is of the process's generation, and asks only for blocks that
/// do not exist.
///
/// Old compilers call it with a stack that is not aligned, so the slow half aligns it.
#[macro_export]
macro_rules! tls_get_addr {
    () => {
        core::arch::global_asm!(
            ".pushsection .text.__tls_get_addr, \"ax\", @progbits",
            ".p2align 4",
            ".globl lode_tls_get_addr_apart",
            ".hidden lode_tls_get_addr_apart",
            ".type lode_tls_get_addr_apart, @function",
            "lode_tls_get_addr_apart:",
            "mov rdx, [rip + {place}]",
            "mov rdx, fs:[rdx + 8]",
            "test rdx, rdx",
            "jnz 3f",
            "jmp 2f",
            ".size lode_tls_get_addr_apart, . - lode_tls_get_addr_apart",
            ".globl __tls_get_addr",
            ".type __tls_get_addr, @function",
            "__tls_get_addr:",
            "mov rdx, fs:[8]",
            "3:",
            "mov rax, [rip + {generation}]",
            "cmp rax, [rdx]",
            "jne 2f",
            "mov rax, [rdi]",
            "cmp rax, [rdx - 16]",
            "ja 2f",
            "shl rax, 4",
            "mov rax, [rdx + rax]",
            "cmp rax, -1",
            "je 2f",
            "add rax, [rdi + 8]",
            "ret",
            "2:",
            "push rbp",
            "mov rbp, rsp",
            "and rsp, -16",
            "call {block}",
            "leave",
            "ret",
            ".size __tls_get_addr, . - __tls_get_addr",
            ".popsection",
            block = sym $crate::sys::machine::tls_block,
            generation = sym $crate::thread::GENERATION,
            place = sym $crate::thread::VECTOR_PLACE,
        );
    };
}

/// Defines a door: a function that the program enters lode by and that it may unwind through, with an exception or when a thread is
/// cancelled. It saves the registers that its caller counts on where the unwind rule of the linker script says, and calls. `$more` comes before the
/// call: `mov rdx, [rbp + 8]` makes the address of the caller the third argument. A door with a type is one that lode itself enters.
#[macro_export]
macro_rules! door {
    ($(#[$doc:meta])* $name:ident => $target:path) => {
        $crate::door!($(#[$doc])* $name => $target, ".text.lode_doors");
    };
    ($(#[$doc:meta])* $name:ident => $target:path, $section:literal $(, $more:literal)?) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Arguments and answer are those of the function behind it.
        #[unsafe(naked)]
        #[unsafe(link_section = $section)]
        pub unsafe extern "C-unwind" fn $name() {
            $crate::door!(@ $target $(, $more)?)
        }
    };
    ($(#[$doc:meta])* $name:ident: fn($($argument:ident: $type:ty),*) -> $answer:ty => $target:path, $section:literal) => {
        // The function behind it has this very type.
        const _: extern "C-unwind" fn($($type),*) -> $answer = $target;
        $(#[$doc])*
        #[unsafe(naked)]
        #[unsafe(link_section = $section)]
        pub extern "C-unwind" fn $name($($argument: $type),*) -> $answer {
            $crate::door!(@ $target)
        }
    };
    (@ $target:path $(, $more:literal)?) => {
            ::core::arch::naked_asm!(
                "push rbp",
                "mov rbp, rsp",
                "push rbx",
                "push r12",
                "push r13",
                "push r14",
                "push r15",
                "sub rsp, 8",
                $($more,)?
                "call {target}",
                "add rsp, 8",
                "pop r15",
                "pop r14",
                "pop r13",
                "pop r12",
                "pop rbx",
                "pop rbp",
                "ret",
                target = sym $target,
            )
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[inline(never)]
    fn inner(code: Range<usize>) -> Vec<u64> {
        callers(code).collect()
    }

    #[inline(never)]
    fn outer(start: usize) -> Vec<u64> {
        let callers = inner(start..start + 0x100);
        assert!(!callers.is_empty());
        callers
    }

    #[test]
    fn callers_are_named_outwards_and_only_in_the_loader_s_own_code() {
        let start = (outer as *const ()).addr();
        let callers = outer(start);
        assert!((1..0x100).contains(&callers[0]), "{callers:?}");
        assert_eq!(inner(start..start), []);
    }
}
