//! Linux on AArch64: entry, self-relocation, memory functions, the system call instruction.
//!
//! Sources: ELF for the Arm 64-bit Architecture (AAELF64) and its System V ABI, gABI (DT_RELR), and the
//! kernel's `include/uapi/asm-generic/unistd.h`. The macros have the contracts of their namesakes for x86-64.
//!
//! # Safety
//! The entry runs before relocation and touches nothing but registers, its own dynamic section and the words that DT_RELR names.
//! A system call does what its number says; callers answer for the arguments.

use core::arch::asm;

/// Defines `__crt_relocate_self`, which applies an image's own relative relocations.
///
/// In: x0 = load bias, x1 = the image's dynamic section, x2 and x3 = where the linker script says that the
/// RELR table starts and ends (both 0: not known), w4 = whether a DT_RELA table that holds nothing but
/// R_AARCH64_RELATIVE is accepted. Out: x0 = 0, or the address of a NUL-terminated line that says what is
/// wrong. No memory but the relocated words is written.
#[doc(hidden)]
#[macro_export]
macro_rules! self_relocation {
    () => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_relocate_self,\"ax\",%progbits",
            ".globl __crt_relocate_self",
            ".hidden __crt_relocate_self",
            ".type __crt_relocate_self,%function",
            "__crt_relocate_self:",
            ".cfi_startproc",
            // x9 = DT_RELR, x10 = DT_RELRSZ, x11 = DT_RELRENT, x12 = DT_RELA, x13 = DT_RELASZ
            "mov x9, #0",
            "mov x10, #0",
            "mov x11, #0",
            "mov x12, #0",
            "mov x13, #0",
            "mov w14, #0x0026", // DT_CREL
            "movk w14, #0x4000, lsl #16",
            "mov w15, #0x000f", // DT_ANDROID_REL, then _RELSZ, _RELA, _RELASZ
            "movk w15, #0x6000, lsl #16",
            "mov w16, #0xe000", // DT_ANDROID_RELR
            "movk w16, #0x6fff, lsl #16",
            ".Lcrt_next_tag:",
            "ldp x6, x7, [x1], #16",
            "cbz x6, .Lcrt_tags_read",
            "cmp x6, #36", // DT_RELR
            "csel x9, x7, x9, eq",
            "cmp x6, #35", // DT_RELRSZ
            "csel x10, x7, x10, eq",
            "cmp x6, #37", // DT_RELRENT
            "csel x11, x7, x11, eq",
            "cmp x6, #7", // DT_RELA
            "csel x12, x7, x12, eq",
            "cmp x6, #8", // DT_RELASZ
            "csel x13, x7, x13, eq",
            "cmp x6, #1", // DT_NEEDED
            "b.eq .Lcrt_needed",
            "cmp x6, #22", // DT_TEXTREL
            "b.eq .Lcrt_textrel",
            "cmp x6, #30", // DT_FLAGS
            "b.eq .Lcrt_flags",
            "cmp x6, #2", // DT_PLTRELSZ
            "b.eq .Lcrt_pltrelsz",
            "cmp x6, #18", // DT_RELSZ
            "b.eq .Lcrt_relsz",
            "cmp x6, x14",
            "b.eq .Lcrt_packed",
            "cmp x6, x16",
            "b.eq .Lcrt_packed",
            "sub x8, x6, x15",
            "cmp x8, #3",
            "b.ls .Lcrt_packed",
            "b .Lcrt_next_tag",
            ".Lcrt_flags:",
            "tbz x7, #2, .Lcrt_next_tag", // DF_TEXTREL
            ".Lcrt_textrel:",
            "adrp x5, .Lcrt_reason_textrel",
            "add x5, x5, :lo12:.Lcrt_reason_textrel",
            "b .Lcrt_refuse",
            ".Lcrt_needed:",
            "adrp x5, .Lcrt_reason_needed",
            "add x5, x5, :lo12:.Lcrt_reason_needed",
            "b .Lcrt_refuse",
            ".Lcrt_packed:",
            "adrp x5, .Lcrt_reason_packed",
            "add x5, x5, :lo12:.Lcrt_reason_packed",
            "b .Lcrt_refuse",
            ".Lcrt_pltrelsz:",
            "cbz x7, .Lcrt_next_tag",
            "adrp x5, .Lcrt_reason_jmprel",
            "add x5, x5, :lo12:.Lcrt_reason_jmprel",
            "b .Lcrt_refuse",
            ".Lcrt_relsz:",
            "cbz x7, .Lcrt_next_tag",
            "adrp x5, .Lcrt_reason_rel",
            "add x5, x5, :lo12:.Lcrt_reason_rel",
            "b .Lcrt_refuse",
            // The tables: RELA only where it is accepted, then RELR within its bounds.
            ".Lcrt_tags_read:",
            "cbz x13, .Lcrt_rela_done",
            "adrp x5, .Lcrt_reason_rela",
            "add x5, x5, :lo12:.Lcrt_reason_rela",
            "cbz w4, .Lcrt_refuse",
            "add x12, x12, x0",
            "add x13, x13, x12",
            ".Lcrt_next_rela:",
            "cmp x12, x13",
            "b.hs .Lcrt_rela_done",
            "ldp x6, x7, [x12], #16",
            "ldr x8, [x12], #8",
            "cmp x7, #1027", // R_AARCH64_RELATIVE, no symbol
            "b.ne .Lcrt_refuse",
            "add x8, x8, x0",
            "str x8, [x0, x6]",
            "b .Lcrt_next_rela",
            ".Lcrt_rela_done:",
            "orr x6, x2, x3",
            "cbnz x6, .Lcrt_bounds_known",
            "add x2, x9, x0",
            "add x3, x2, x10",
            ".Lcrt_bounds_known:",
            "adrp x5, .Lcrt_reason_bounds",
            "add x5, x5, :lo12:.Lcrt_reason_bounds",
            "sub x3, x3, x2",
            "cmp x3, x10",
            "b.ne .Lcrt_refuse",
            "cbz x3, .Lcrt_relocated",
            "add x9, x9, x0",
            "cmp x9, x2",
            "b.ne .Lcrt_refuse",
            "adrp x5, .Lcrt_reason_relrent",
            "add x5, x5, :lo12:.Lcrt_reason_relrent",
            "cmp x11, #8",
            "b.ne .Lcrt_refuse",
            "tst x10, #7",
            "b.ne .Lcrt_refuse",
            // x9 = next entry, x10 = end of the table, x2 = the word that the next bitmap starts with
            "add x10, x10, x9",
            "mov x2, #0",
            ".Lcrt_next_relr:",
            "cmp x9, x10",
            "b.hs .Lcrt_relocated",
            "ldr x6, [x9], #8",
            "tbnz x6, #0, .Lcrt_bitmap",
            "add x2, x6, x0",
            "ldr x7, [x2]",
            "add x7, x7, x0",
            "str x7, [x2], #8",
            "b .Lcrt_next_relr",
            ".Lcrt_bitmap:",
            "cbz x2, .Lcrt_no_address",
            "mov x3, x2",
            ".Lcrt_next_bit:",
            "lsr x6, x6, #1",
            "cbz x6, .Lcrt_bitmap_read",
            "tbz x6, #0, .Lcrt_bit_clear",
            "ldr x7, [x3]",
            "add x7, x7, x0",
            "str x7, [x3]",
            ".Lcrt_bit_clear:",
            "add x3, x3, #8",
            "b .Lcrt_next_bit",
            ".Lcrt_bitmap_read:",
            "add x2, x2, #504", // 63 words
            "b .Lcrt_next_relr",
            ".Lcrt_no_address:",
            "adrp x5, .Lcrt_reason_bitmap",
            "add x5, x5, :lo12:.Lcrt_reason_bitmap",
            ".Lcrt_refuse:",
            "mov x0, x5",
            "ret",
            ".Lcrt_relocated:",
            "mov x0, #0",
            "ret",
            ".cfi_endproc",
            ".size __crt_relocate_self, . - __crt_relocate_self",
            ".popsection",
            ".pushsection .rodata.__crt_relocate_self,\"a\",%progbits",
            $crate::relocation_refusals!(),
            ".popsection",
        );
    };
}

/// Defines `_start` for an image linked at 0 by a script that bounds the RELR table.
#[doc(hidden)]
#[macro_export]
macro_rules! image_start {
    ($start:path) => {
        ::core::arch::global_asm!(
            ".pushsection .text._start,\"ax\",%progbits",
            ".globl _start",
            ".hidden _start",
            ".hidden _DYNAMIC",
            ".hidden __ehdr_start",
            ".hidden __relr_start",
            ".hidden __relr_end",
            ".type _start,%function",
            "_start:",
            ".cfi_startproc",
            ".cfi_undefined x30",
            "mov x29, #0",
            "mov x30, #0",
            "mov x19, sp",
            "adrp x0, __ehdr_start",
            "add x0, x0, :lo12:__ehdr_start",
            "adrp x1, _DYNAMIC",
            "add x1, x1, :lo12:_DYNAMIC",
            "adrp x2, __relr_start",
            "add x2, x2, :lo12:__relr_start",
            "adrp x3, __relr_end",
            "add x3, x3, :lo12:__relr_end",
            "mov w4, #0",
            "bl __crt_relocate_self",
            "cbnz x0, .Lcrt_stop",
            "mov x0, x19",
            "bl {start}",
            "brk #1",
            $crate::stop_with_line!(),
            ".cfi_endproc",
            ".size _start, . - _start",
            ".popsection",
            start = sym $start,
        );
    };
}

/// Defines `_start` for a program of any shape: static, static-PIE, or started by an interpreter.
#[doc(hidden)]
#[macro_export]
macro_rules! program_start {
    ($start:path) => {
        ::core::arch::global_asm!(
            ".pushsection .text._start,\"ax\",%progbits",
            ".globl _start",
            ".hidden __ehdr_start",
            ".type _start,%function",
            "_start:",
            ".cfi_startproc",
            ".cfi_undefined x30",
            "mov x29, #0",
            "mov x30, #0",
            "mov x19, sp",
            "mov x20, x0",
            // A finaliser in x0, AT_BASE or PT_INTERP: an interpreter was here and has relocated the image.
            "cbnz x20, .Lcrt_enter",
            "ldr x5, [x19]",
            "add x5, x19, x5, lsl #3",
            "add x5, x5, #16",
            ".Lcrt_next_variable:",
            "ldr x6, [x5], #8",
            "cbnz x6, .Lcrt_next_variable",
            ".Lcrt_next_auxv:",
            "ldp x6, x7, [x5], #16",
            "cbz x6, .Lcrt_auxv_read",
            "cmp x6, #7", // AT_BASE
            "b.ne .Lcrt_next_auxv",
            "cbnz x7, .Lcrt_enter",
            ".Lcrt_auxv_read:",
            // x0 becomes the load bias: the header's address without that of the segment that holds it.
            "adrp x0, __ehdr_start",
            "add x0, x0, :lo12:__ehdr_start",
            "ldr x5, [x0, #32]", // e_phoff
            "add x5, x5, x0",
            "ldrh w6, [x0, #54]", // e_phentsize
            "ldrh w7, [x0, #56]", // e_phnum
            "mov x1, #0",
            "mov x8, #0",
            ".Lcrt_next_header:",
            "cbz w7, .Lcrt_headers_read",
            "ldr w9, [x5]",
            "ldr x10, [x5, #16]", // p_vaddr
            "cmp w9, #3", // PT_INTERP
            "b.eq .Lcrt_enter",
            "cmp w9, #2", // PT_DYNAMIC
            "csel x1, x10, x1, eq",
            "cmp w9, #1", // PT_LOAD
            "b.ne .Lcrt_header_read",
            "ldr x11, [x5, #8]", // p_offset
            "orr x11, x11, x8",
            "cbnz x11, .Lcrt_header_read",
            "sub x0, x0, x10",
            "mov x8, #1",
            ".Lcrt_header_read:",
            "add x5, x5, x6",
            "sub w7, w7, #1",
            "b .Lcrt_next_header",
            ".Lcrt_headers_read:",
            "cbz x1, .Lcrt_enter",
            "add x1, x1, x0",
            "mov x2, #0",
            "mov x3, #0",
            "mov w4, #1",
            "bl __crt_relocate_self",
            "cbnz x0, .Lcrt_stop",
            ".Lcrt_enter:",
            "mov x0, x19",
            "mov x1, x20",
            "bl {start}",
            "brk #1",
            $crate::stop_with_line!(),
            ".cfi_endproc",
            ".size _start, . - _start",
            ".popsection",
            start = sym $start,
        );
    };
}

/// `.Lcrt_stop`: writes to standard error that the image cannot relocate itself, for the reason at x0, and ends with status 127.
#[doc(hidden)]
#[macro_export]
macro_rules! stop_with_line {
    () => {
        "
        .Lcrt_stop:
            mov x19, x0
            adrp x1, .Lcrt_cannot
            add x1, x1, :lo12:.Lcrt_cannot
            bl .Lcrt_say
            mov x1, x19
            bl .Lcrt_say
            mov x0, #127
            mov x8, #94
            svc #0
            brk #1
        .Lcrt_say:
            mov x2, #0
        .Lcrt_measure:
            add x2, x2, #1
            ldrb w3, [x1, x2]
            cbnz w3, .Lcrt_measure
            mov x0, #2
            mov x8, #64
            svc #0
            ret
            .pushsection .rodata.__crt_relocate_self,\"a\",%progbits
        .Lcrt_cannot:
            .asciz \"lode: the image cannot relocate itself: \"
            .popsection
        "
    };
}

/// Defines `__crt_array_bounds`, which fills in six words: start and end of the preinit, init and fini
/// arrays; 0 where the linker defines none.
#[doc(hidden)]
#[macro_export]
macro_rules! array_bounds {
    () => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_array_bounds,\"ax\",%progbits",
            ".weak __preinit_array_start, __preinit_array_end, __init_array_start, __init_array_end",
            ".weak __fini_array_start, __fini_array_end",
            ".hidden __preinit_array_start, __preinit_array_end, __init_array_start, __init_array_end",
            ".hidden __fini_array_start, __fini_array_end",
            ".globl __crt_array_bounds",
            ".hidden __crt_array_bounds",
            ".type __crt_array_bounds,%function",
            "__crt_array_bounds:",
            ".cfi_startproc",
            "adrp x1, :got:__preinit_array_start",
            "ldr x1, [x1, :got_lo12:__preinit_array_start]",
            "adrp x2, :got:__preinit_array_end",
            "ldr x2, [x2, :got_lo12:__preinit_array_end]",
            "stp x1, x2, [x0]",
            "adrp x1, :got:__init_array_start",
            "ldr x1, [x1, :got_lo12:__init_array_start]",
            "adrp x2, :got:__init_array_end",
            "ldr x2, [x2, :got_lo12:__init_array_end]",
            "stp x1, x2, [x0, #16]",
            "adrp x1, :got:__fini_array_start",
            "ldr x1, [x1, :got_lo12:__fini_array_start]",
            "adrp x2, :got:__fini_array_end",
            "ldr x2, [x2, :got_lo12:__fini_array_end]",
            "stp x1, x2, [x0, #32]",
            "ret",
            ".cfi_endproc",
            ".size __crt_array_bounds, . - __crt_array_bounds",
            ".popsection",
        );
    };
}

/// Defines `memcpy memmove memset memcmp bcmp strlen`, weak and hidden, by words where it can.
#[doc(hidden)]
#[macro_export]
macro_rules! memory_functions {
    () => {
        $crate::memory_functions!("");
    };
    ($prefix:literal) => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_memory,\"ax\",%progbits",
            // memmove(x0 to, x1 from, x2 length)
            ".p2align 4",
            $crate::weak_function!($prefix, "memmove"),
            ".cfi_startproc",
            "sub x3, x0, x1",
            "cmp x3, x2", // unsigned: only a destination inside the source needs the copy backwards
            "b.lo .Lcrt_move_backwards",
            ".cfi_endproc",
            // memcpy(x0 to, x1 from, x2 length): forwards
            $crate::weak_function!($prefix, "memcpy"),
            ".cfi_startproc",
            "mov x3, x0",
            ".Lcrt_copy_words:",
            "cmp x2, #8",
            "b.lo .Lcrt_copy_bytes",
            "ldr x4, [x1], #8",
            "str x4, [x3], #8",
            "sub x2, x2, #8",
            "b .Lcrt_copy_words",
            ".Lcrt_copy_bytes:",
            "cbz x2, .Lcrt_copied",
            "ldrb w4, [x1], #1",
            "strb w4, [x3], #1",
            "sub x2, x2, #1",
            "b .Lcrt_copy_bytes",
            ".Lcrt_copied:",
            "ret",
            ".cfi_endproc",
            ".Lcrt_move_backwards:",
            ".cfi_startproc",
            "add x1, x1, x2",
            "add x3, x0, x2",
            ".Lcrt_move_words:",
            "cmp x2, #8",
            "b.lo .Lcrt_move_bytes",
            "ldr x4, [x1, #-8]!",
            "str x4, [x3, #-8]!",
            "sub x2, x2, #8",
            "b .Lcrt_move_words",
            ".Lcrt_move_bytes:",
            "cbz x2, .Lcrt_moved",
            "ldrb w4, [x1, #-1]!",
            "strb w4, [x3, #-1]!",
            "sub x2, x2, #1",
            "b .Lcrt_move_bytes",
            ".Lcrt_moved:",
            "ret",
            ".cfi_endproc",
            // memset(x0 to, w1 byte, x2 length)
            ".p2align 4",
            $crate::weak_function!($prefix, "memset"),
            ".cfi_startproc",
            "mov x3, x0",
            "and x1, x1, #0xff",
            "mov x4, #0x0101010101010101",
            "mul x1, x1, x4",
            ".Lcrt_set_words:",
            "cmp x2, #8",
            "b.lo .Lcrt_set_bytes",
            "str x1, [x3], #8",
            "sub x2, x2, #8",
            "b .Lcrt_set_words",
            ".Lcrt_set_bytes:",
            "cbz x2, .Lcrt_set",
            "strb w1, [x3], #1",
            "sub x2, x2, #1",
            "b .Lcrt_set_bytes",
            ".Lcrt_set:",
            "ret",
            ".cfi_endproc",
            // memcmp(x0, x1, x2 length): the difference of the first bytes that differ
            ".p2align 4",
            $crate::weak_function!($prefix, "bcmp"),
            $crate::weak_function!($prefix, "memcmp"),
            ".cfi_startproc",
            ".Lcrt_compare_words:",
            "cmp x2, #8",
            "b.lo .Lcrt_compare_bytes",
            "ldr x3, [x0], #8",
            "ldr x4, [x1], #8",
            "sub x2, x2, #8",
            "cmp x3, x4",
            "b.eq .Lcrt_compare_words",
            "rev x3, x3", // as big-endian numbers, words order like their bytes
            "rev x4, x4",
            "cmp x3, x4",
            "mov w0, #1",
            "cneg w0, w0, lo",
            "ret",
            ".Lcrt_compare_bytes:",
            "cbz x2, .Lcrt_equal",
            "ldrb w3, [x0], #1",
            "ldrb w4, [x1], #1",
            "sub x2, x2, #1",
            "subs w3, w3, w4",
            "b.eq .Lcrt_compare_bytes",
            "mov w0, w3",
            "ret",
            ".Lcrt_equal:",
            "mov w0, #0",
            "ret",
            ".cfi_endproc",
            // strlen(x0)
            ".p2align 4",
            $crate::weak_function!($prefix, "strlen"),
            ".cfi_startproc",
            "mov x1, x0",
            ".Lcrt_next_character:",
            "ldrb w2, [x1], #1",
            "cbnz w2, .Lcrt_next_character",
            "sub x0, x1, x0",
            "sub x0, x0, #1",
            "ret",
            ".cfi_endproc",
            ".popsection",
        );
    };
}

/// Defines `rust_eh_personality` and `_Unwind_Resume`, which the prebuilt `core` refers to.
#[doc(hidden)]
#[macro_export]
macro_rules! unwinder_hooks {
    () => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_unwinder,\"ax\",%progbits",
            $crate::weak_function!("", "rust_eh_personality"),
            ".cfi_startproc",
            "mov w0, #8", // _URC_CONTINUE_UNWIND
            "ret",
            ".cfi_endproc",
            $crate::weak_function!("", "_Unwind_Resume"),
            ".cfi_startproc",
            "brk #1",
            ".cfi_endproc",
            ".popsection",
        );
    };
}

/// Has the processor fetch the cache line of an address, mapped or not, and waits for nothing.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    // SAFETY: the instruction is a hint: it changes no register and no memory, and faults at no address.
    unsafe { asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly)) };
}

/// Makes system call `number`; the kernel's answer is a value or a negated error number.
///
/// # Safety
/// The call with these arguments must not break memory that Rust relies on.
#[inline(always)]
pub unsafe fn system_call(number: usize, arguments: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the instruction changes x0 and what the call itself changes, for which the caller answers.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") arguments[0] as isize => answer,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    answer
}

/// The type of a relative relocation (R_AARCH64_RELATIVE).
#[cfg(test)]
pub const RELATIVE: u64 = 1027;

/// Of `open`: only a directory.
pub const O_DIRECTORY: i32 = 0o40000;
/// Of `open`: not through a symbolic link at the end of the path.
pub const O_NOFOLLOW: i32 = 0o100000;

/// The number and the arguments of access(2), which is a case of faccessat(2) here.
pub fn access(path: usize, mode: usize) -> (usize, [usize; 6]) {
    (
        number::FACCESSAT,
        [crate::syscall::AT_FDCWD as usize, path, mode, 0, 0, 0],
    )
}

/// System call numbers (`asm-generic/unistd.h`).
pub mod number {
    #![allow(missing_docs, reason = "each is the number of the call that it is named after")]
    pub const GETCWD: usize = 17;
    pub const FSTATFS: usize = 44;
    pub const GETDENTS64: usize = 61;
    pub const FACCESSAT: usize = 48;
    pub const CHROOT: usize = 51;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const PIPE2: usize = 59;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const WRITEV: usize = 66;
    pub const PREAD64: usize = 67;
    pub const READLINKAT: usize = 78;
    pub const NEWFSTATAT: usize = 79;
    pub const FSTAT: usize = 80;
    pub const EXIT_GROUP: usize = 94;
    pub const SET_TID_ADDRESS: usize = 96;
    pub const FUTEX: usize = 98;
    pub const SET_ROBUST_LIST: usize = 99;
    pub const SCHED_YIELD: usize = 124;
    pub const KILL: usize = 129;
    pub const TGKILL: usize = 131;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const UNAME: usize = 160;
    pub const GETPID: usize = 172;
    pub const CLOCK_GETTIME: usize = 113;
    pub const GETTID: usize = 178;
    pub const MUNMAP: usize = 215;
    pub const MMAP: usize = 222;
    pub const MPROTECT: usize = 226;
    pub const MADVISE: usize = 233;
    pub const PRLIMIT64: usize = 261;
    pub const RENAMEAT2: usize = 276;
    pub const GETRANDOM: usize = 278;
    pub const RSEQ: usize = 293;
    pub const MSEAL: usize = 462;
}

/// `struct stat` as the kernel fills it (`include/uapi/asm-generic/stat.h`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RawStat {
    /// Device of the file system.
    pub st_dev: u64,
    /// Inode number.
    pub st_ino: u64,
    /// Type and permissions.
    pub st_mode: u32,
    st_nlink: u32,
    /// Owner.
    pub st_uid: u32,
    /// Group.
    pub st_gid: u32,
    st_rdev: u64,
    pad_device: u64,
    /// Length in bytes.
    pub st_size: i64,
    st_blksize: i32,
    pad_block: i32,
    st_blocks: i64,
    st_atime: [u64; 2],
    /// Time of the last change of the contents: seconds and nanoseconds.
    pub st_mtime: [u64; 2],
    st_ctime: [u64; 2],
    reserved: [u32; 2],
}

/// Makes `address` the calling thread's thread pointer (TPIDR_EL0).
///
/// # Safety
/// `address` must be a thread control block that fits the C library in use, for the life of the thread.
pub unsafe fn set_thread_pointer(address: usize) -> isize {
    // SAFETY: the instruction changes nothing but the register, for which the caller answers.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) address, options(nostack)) };
    0
}
