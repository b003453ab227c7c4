//! Linux on x86-64: entry, self-relocation, memory functions, the system call instruction.
//!
//! Sources: System V psABI for AMD64 (process start: section 3.4; dynamic section: chapter 5), gABI
//! (DT_RELR), and the kernel's `arch/x86/entry/syscalls/syscall_64.tbl`.
//!
//! # Safety
//! The entry runs before relocation and touches nothing but registers, its own dynamic section and the words that DT_RELR names.
//! A system call does what its number says; callers answer for the arguments.

use core::arch::asm;

/// Defines `__crt_relocate_self`, which applies an image's own relative relocations.
///
/// In: rdi = load bias, rsi = the image's dynamic section, rdx and rcx = where the linker script says that
/// the RELR table starts and ends (both 0: not known), r8d = whether a DT_RELA table that holds nothing but
/// R_X86_64_RELATIVE is accepted. Out: rax = 0, or the address of a NUL-terminated line that says what is
/// wrong. No stack is used, no memory but the relocated words is written, and only registers that a call
/// may change are changed.
#[doc(hidden)]
#[macro_export]
macro_rules! self_relocation {
    () => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_relocate_self,\"ax\",@progbits",
            ".globl __crt_relocate_self",
            ".hidden __crt_relocate_self",
            ".type __crt_relocate_self,@function",
            "__crt_relocate_self:",
            ".cfi_startproc",
            "push rbx",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset rbx, 0",
            "push r12",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset r12, 0",
            "push r13",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset r13, 0",
            // r9 = DT_RELR, r10 = DT_RELRSZ, r11 = DT_RELRENT, r12 = DT_RELA, r13 = DT_RELASZ
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            "xor r12d, r12d",
            "xor r13d, r13d",
            ".Lcrt_next_tag:",
            "mov rax, [rsi]",
            "mov rbx, [rsi + 8]",
            "add rsi, 16",
            "test rax, rax",
            "jz .Lcrt_tags_read",
            "cmp rax, 36", // DT_RELR
            "cmove r9, rbx",
            "cmp rax, 35", // DT_RELRSZ
            "cmove r10, rbx",
            "cmp rax, 37", // DT_RELRENT
            "cmove r11, rbx",
            "cmp rax, 7", // DT_RELA
            "cmove r12, rbx",
            "cmp rax, 8", // DT_RELASZ
            "cmove r13, rbx",
            "cmp rax, 1", // DT_NEEDED
            "je .Lcrt_needed",
            "cmp rax, 22", // DT_TEXTREL
            "je .Lcrt_textrel",
            "cmp rax, 30", // DT_FLAGS
            "je .Lcrt_flags",
            "cmp rax, 2", // DT_PLTRELSZ
            "je .Lcrt_pltrelsz",
            "cmp rax, 18", // DT_RELSZ
            "je .Lcrt_relsz",
            "cmp rax, 0x40000026", // DT_CREL
            "je .Lcrt_packed",
            "mov rbx, rax",
            "sub rbx, 0x6000000f", // DT_ANDROID_REL, _RELSZ, _RELA, _RELASZ
            "cmp rbx, 3",
            "jbe .Lcrt_packed",
            "cmp rax, 0x6fffe000", // DT_ANDROID_RELR
            "je .Lcrt_packed",
            "jmp .Lcrt_next_tag",
            ".Lcrt_flags:",
            "test ebx, 4", // DF_TEXTREL
            "jz .Lcrt_next_tag",
            ".Lcrt_textrel:",
            "lea rax, [rip + .Lcrt_reason_textrel]",
            "jmp .Lcrt_return",
            ".Lcrt_needed:",
            "lea rax, [rip + .Lcrt_reason_needed]",
            "jmp .Lcrt_return",
            ".Lcrt_packed:",
            "lea rax, [rip + .Lcrt_reason_packed]",
            "jmp .Lcrt_return",
            ".Lcrt_pltrelsz:",
            "test rbx, rbx",
            "jz .Lcrt_next_tag",
            "lea rax, [rip + .Lcrt_reason_jmprel]",
            "jmp .Lcrt_return",
            ".Lcrt_relsz:",
            "test rbx, rbx",
            "jz .Lcrt_next_tag",
            "lea rax, [rip + .Lcrt_reason_rel]",
            "jmp .Lcrt_return",
            // The tables: RELA only where it is accepted, then RELR within its bounds.
            ".Lcrt_tags_read:",
            "test r13, r13",
            "jz .Lcrt_rela_done",
            "lea rax, [rip + .Lcrt_reason_rela]",
            "test r8d, r8d",
            "jz .Lcrt_return",
            "add r12, rdi",
            "add r13, r12",
            ".Lcrt_next_rela:",
            "cmp r12, r13",
            "jae .Lcrt_rela_done",
            "cmp qword ptr [r12 + 8], 8", // R_X86_64_RELATIVE, no symbol
            "jne .Lcrt_return",
            "mov rbx, [r12]",
            "mov r8, [r12 + 16]",
            "add r8, rdi",
            "mov [rdi + rbx], r8",
            "add r12, 24",
            "jmp .Lcrt_next_rela",
            ".Lcrt_rela_done:",
            "mov rbx, rdx",
            "or rbx, rcx",
            "jnz .Lcrt_bounds_known",
            "lea rdx, [r9 + rdi]",
            "lea rcx, [rdx + r10]",
            ".Lcrt_bounds_known:",
            "lea rax, [rip + .Lcrt_reason_bounds]",
            "sub rcx, rdx",
            "cmp rcx, r10",
            "jne .Lcrt_return",
            "test rcx, rcx",
            "jz .Lcrt_relocated",
            "add r9, rdi",
            "cmp r9, rdx",
            "jne .Lcrt_return",
            "lea rax, [rip + .Lcrt_reason_relrent]",
            "cmp r11, 8",
            "jne .Lcrt_return",
            "test r10b, 7",
            "jnz .Lcrt_return",
            // r9 = next entry, r10 = end of the table, rdx = the word after the last address entry's runs
            "add r10, r9",
            "xor edx, edx",
            ".Lcrt_next_relr:",
            "cmp r9, r10",
            "jae .Lcrt_relocated",
            "mov rax, [r9]",
            "add r9, 8",
            "shr rax",
            "jc .Lcrt_bitmap",
            "lea rdx, [rdi + rax*2]",
            "add [rdx], rdi",
            "add rdx, 8",
            "jmp .Lcrt_next_relr",
            ".Lcrt_bitmap:",
            "test rdx, rdx",
            "jz .Lcrt_no_address",
            "mov rbx, rdx",
            ".Lcrt_next_bit:",
            "shr rax",
            "jnc .Lcrt_bit_clear",
            "add [rbx], rdi",
            ".Lcrt_bit_clear:",
            "add rbx, 8",
            "test rax, rax",
            "jnz .Lcrt_next_bit",
            "add rdx, 504", // 63 words
            "jmp .Lcrt_next_relr",
            ".Lcrt_no_address:",
            "lea rax, [rip + .Lcrt_reason_bitmap]",
            "jmp .Lcrt_return",
            ".Lcrt_relocated:",
            "xor eax, eax",
            ".Lcrt_return:",
            "pop r13",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore r13",
            "pop r12",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore r12",
            "pop rbx",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore rbx",
            "ret",
            ".cfi_endproc",
            ".size __crt_relocate_self, . - __crt_relocate_self",
            ".popsection",
            ".pushsection .rodata.__crt_relocate_self,\"a\",@progbits",
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
            ".pushsection .text._start,\"ax\",@progbits",
            ".globl _start",
            ".hidden _start",
            ".hidden _DYNAMIC",
            ".hidden __ehdr_start",
            ".hidden __relr_start",
            ".hidden __relr_end",
            ".type _start,@function",
            "_start:",
            ".cfi_startproc",
            ".cfi_undefined rip",
            "xor ebp, ebp",
            "mov r12, rsp",
            "and rsp, -16",
            "lea rdi, [rip + __ehdr_start]",
            "lea rsi, [rip + _DYNAMIC]",
            "lea rdx, [rip + __relr_start]",
            "lea rcx, [rip + __relr_end]",
            "xor r8d, r8d",
            "call __crt_relocate_self",
            "test rax, rax",
            "jnz .Lcrt_stop",
            "mov rdi, r12",
            "call {start}",
            "ud2",
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
            ".pushsection .text._start,\"ax\",@progbits",
            ".globl _start",
            ".hidden __ehdr_start",
            ".type _start,@function",
            "_start:",
            ".cfi_startproc",
            ".cfi_undefined rip",
            "xor ebp, ebp",
            "mov r12, rsp",
            "mov r13, rdx",
            "and rsp, -16",
            // A finaliser in rdx, AT_BASE or PT_INTERP: an interpreter was here and has relocated the image.
            "test rdx, rdx",
            "jnz .Lcrt_enter",
            "mov rax, [r12]",
            "lea rax, [r12 + rax*8 + 16]",
            ".Lcrt_next_variable:",
            "add rax, 8",
            "cmp qword ptr [rax - 8], 0",
            "jne .Lcrt_next_variable",
            ".Lcrt_next_auxv:",
            "mov rcx, [rax]",
            "mov rdx, [rax + 8]",
            "add rax, 16",
            "test rcx, rcx",
            "jz .Lcrt_auxv_read",
            "cmp rcx, 7", // AT_BASE
            "jne .Lcrt_next_auxv",
            "test rdx, rdx",
            "jnz .Lcrt_enter",
            ".Lcrt_auxv_read:",
            // rdi becomes the load bias: the header's address without that of the segment that holds it.
            "lea rdi, [rip + __ehdr_start]",
            "mov rax, [rdi + 32]", // e_phoff
            "add rax, rdi",
            "movzx r9d, word ptr [rdi + 54]",  // e_phentsize
            "movzx r10d, word ptr [rdi + 56]", // e_phnum
            "xor esi, esi",
            "xor r11d, r11d",
            ".Lcrt_next_header:",
            "test r10d, r10d",
            "jz .Lcrt_headers_read",
            "mov ecx, [rax]",
            "cmp ecx, 3", // PT_INTERP
            "je .Lcrt_enter",
            "cmp ecx, 2", // PT_DYNAMIC
            "cmove rsi, [rax + 16]",
            "cmp ecx, 1", // PT_LOAD
            "jne .Lcrt_header_read",
            "mov rcx, [rax + 8]", // p_offset
            "or rcx, r11",
            "jnz .Lcrt_header_read",
            "sub rdi, [rax + 16]",
            "mov r11d, 1",
            ".Lcrt_header_read:",
            "add rax, r9",
            "sub r10d, 1",
            "jmp .Lcrt_next_header",
            ".Lcrt_headers_read:",
            "test rsi, rsi",
            "jz .Lcrt_enter",
            "add rsi, rdi",
            "xor edx, edx",
            "xor ecx, ecx",
            "mov r8d, 1",
            "call __crt_relocate_self",
            "test rax, rax",
            "jnz .Lcrt_stop",
            ".Lcrt_enter:",
            "mov rdi, r12",
            "mov rsi, r13",
            "call {start}",
            "ud2",
            $crate::stop_with_line!(),
            ".cfi_endproc",
            ".size _start, . - _start",
            ".popsection",
            start = sym $start,
        );
    };
}

/// `.Lcrt_stop`: writes to standard error that the image cannot relocate itself, for the reason at rax, and ends with status 127.
#[doc(hidden)]
#[macro_export]
macro_rules! stop_with_line {
    () => {
        "
        .Lcrt_stop:
            mov rbx, rax
            lea rsi, [rip + .Lcrt_cannot]
            call .Lcrt_say
            mov rsi, rbx
            call .Lcrt_say
            mov edi, 127
            mov eax, 231
            syscall
            ud2
        .Lcrt_say:
            xor edx, edx
        .Lcrt_measure:
            add rdx, 1
            cmp byte ptr [rsi + rdx], 0
            jne .Lcrt_measure
            mov edi, 2
            mov eax, 1
            syscall
            ret
            .pushsection .rodata.__crt_relocate_self,\"a\",@progbits
        .Lcrt_cannot:
            .asciz \"lode: the image cannot relocate itself: \"
            .popsection
        "
    };
}

/// Defines `memcpy memmove memset memcmp bcmp strlen`, weak and hidden.
///
/// Blocks go by words and then bytes; from 128 bytes on the words by one instruction, which takes about 30 cycles to start. A prefix to the names
/// lets tests have these functions beside the host's.
#[doc(hidden)]
#[macro_export]
macro_rules! memory_functions {
    () => {
        $crate::memory_functions!("");
    };
    ($prefix:literal) => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_memory,\"ax\",@progbits",
            // memmove(rdi to, rsi from, rdx length)
            ".p2align 4",
            $crate::weak_function!($prefix, "memmove"),
            ".cfi_startproc",
            "mov rax, rdi",
            "sub rax, rsi",
            "cmp rax, rdx", // unsigned: only a destination inside the source needs the copy backwards
            "jb .Lcrt_move_backwards",
            ".cfi_endproc",
            concat!(".size ", $prefix, "memmove, . - ", $prefix, "memmove"),
            // memcpy(rdi to, rsi from, rdx length): forwards
            $crate::weak_function!($prefix, "memcpy"),
            ".cfi_startproc",
            "mov rax, rdi",
            "cmp rdx, 128",
            "jae .Lcrt_copy_long",
            "cmp rdx, 8",
            "jb .Lcrt_copy_bytes",
            ".Lcrt_copy_words:",
            "mov rcx, [rsi]",
            "mov [rdi], rcx",
            "add rsi, 8",
            "add rdi, 8",
            "sub rdx, 8",
            "cmp rdx, 8",
            "jae .Lcrt_copy_words",
            ".Lcrt_copy_bytes:",
            "test rdx, rdx",
            "jz .Lcrt_copied",
            ".Lcrt_copy_byte:",
            "movzx ecx, byte ptr [rsi]",
            "mov [rdi], cl",
            "add rsi, 1",
            "add rdi, 1",
            "sub rdx, 1",
            "jnz .Lcrt_copy_byte",
            ".Lcrt_copied:",
            "ret",
            ".Lcrt_copy_long:",
            "mov rcx, rdx",
            "shr rcx, 3",
            "and edx, 7",
            "rep movsq",
            "jmp .Lcrt_copy_bytes",
            ".cfi_endproc",
            concat!(".size ", $prefix, "memcpy, . - ", $prefix, "memcpy"),
            ".Lcrt_move_backwards:",
            ".cfi_startproc",
            "mov rax, rdi",
            ".Lcrt_move_words:",
            "cmp rdx, 8",
            "jb .Lcrt_move_bytes",
            "mov rcx, [rsi + rdx - 8]",
            "mov [rdi + rdx - 8], rcx",
            "sub rdx, 8",
            "jmp .Lcrt_move_words",
            ".Lcrt_move_bytes:",
            "test rdx, rdx",
            "jz .Lcrt_moved",
            "movzx ecx, byte ptr [rsi + rdx - 1]",
            "mov [rdi + rdx - 1], cl",
            "sub rdx, 1",
            "jmp .Lcrt_move_bytes",
            ".Lcrt_moved:",
            "ret",
            ".cfi_endproc",
            // memset(rdi to, sil byte, rdx length)
            ".p2align 4",
            $crate::weak_function!($prefix, "memset"),
            ".cfi_startproc",
            "movzx eax, sil",
            "mov r8, rdi",
            "mov rcx, 0x0101010101010101",
            "imul rax, rcx",
            "cmp rdx, 128",
            "jb .Lcrt_set_words",
            "mov rcx, rdx",
            "shr rcx, 3",
            "and edx, 7",
            "rep stosq",
            ".Lcrt_set_words:",
            "cmp rdx, 8",
            "jb .Lcrt_set_bytes",
            "mov [rdi], rax",
            "add rdi, 8",
            "sub rdx, 8",
            "jmp .Lcrt_set_words",
            ".Lcrt_set_bytes:",
            "test rdx, rdx",
            "jz .Lcrt_set",
            "mov [rdi], al",
            "add rdi, 1",
            "sub rdx, 1",
            "jmp .Lcrt_set_bytes",
            ".Lcrt_set:",
            "mov rax, r8",
            "ret",
            ".cfi_endproc",
            concat!(".size ", $prefix, "memset, . - ", $prefix, "memset"),
            // memcmp(rdi, rsi, rdx length): the difference of the first bytes that differ
            ".p2align 4",
            $crate::weak_function!($prefix, "bcmp"),
            $crate::weak_function!($prefix, "memcmp"),
            ".cfi_startproc",
            ".Lcrt_compare_words:",
            "cmp rdx, 8",
            "jb .Lcrt_compare_bytes",
            "mov rax, [rdi]",
            "mov rcx, [rsi]",
            "cmp rax, rcx",
            "jne .Lcrt_words_differ",
            "add rdi, 8",
            "add rsi, 8",
            "sub rdx, 8",
            "jmp .Lcrt_compare_words",
            ".Lcrt_words_differ:",
            "bswap rax", // as big-endian numbers, words order like their bytes
            "bswap rcx",
            "cmp rax, rcx",
            "sbb eax, eax",
            "or eax, 1",
            "ret",
            ".Lcrt_compare_bytes:",
            "test rdx, rdx",
            "jz .Lcrt_equal",
            "movzx eax, byte ptr [rdi]",
            "movzx ecx, byte ptr [rsi]",
            "sub eax, ecx",
            "jnz .Lcrt_compared",
            "add rdi, 1",
            "add rsi, 1",
            "sub rdx, 1",
            "jmp .Lcrt_compare_bytes",
            ".Lcrt_equal:",
            "xor eax, eax",
            ".Lcrt_compared:",
            "ret",
            ".cfi_endproc",
            concat!(".size ", $prefix, "memcmp, . - ", $prefix, "memcmp"),
            concat!(".size ", $prefix, "bcmp, . - ", $prefix, "bcmp"),
            // strlen(rdi): by aligned sixteens, because such a load does not leave a page that the string is in
            ".p2align 4",
            $crate::weak_function!($prefix, "strlen"),
            ".cfi_startproc",
            "mov ecx, edi",
            "mov rax, rdi",
            "and ecx, 15",
            "and rax, -16",
            "pxor xmm0, xmm0",
            "pcmpeqb xmm0, [rax]",
            "pmovmskb edx, xmm0",
            "shr edx, cl", // what stands before the string
            "add rax, rcx",
            "test edx, edx",
            "jnz .Lcrt_end_of_string",
            "sub rax, rcx",
            ".Lcrt_next_characters:",
            "add rax, 16",
            "pxor xmm0, xmm0",
            "pcmpeqb xmm0, [rax]",
            "pmovmskb edx, xmm0",
            "test edx, edx",
            "jz .Lcrt_next_characters",
            ".Lcrt_end_of_string:",
            "bsf edx, edx",
            "add rax, rdx",
            "sub rax, rdi",
            "ret",
            ".cfi_endproc",
            concat!(".size ", $prefix, "strlen, . - ", $prefix, "strlen"),
            ".popsection",
        );
    };
}

/// Defines `rust_eh_personality` and `_Unwind_Resume`, which the prebuilt `core` refers to.
///
/// Nothing here panics by unwinding. Exceptions of a program that pass through its callbacks meet the
/// personality, which lets them go on (`_URC_CONTINUE_UNWIND`, 8).
#[doc(hidden)]
#[macro_export]
macro_rules! unwinder_hooks {
    () => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_unwinder,\"ax\",@progbits",
            ".weak rust_eh_personality, _Unwind_Resume",
            ".hidden rust_eh_personality, _Unwind_Resume",
            ".type rust_eh_personality,@function",
            ".type _Unwind_Resume,@function",
            "rust_eh_personality:",
            ".cfi_startproc",
            "mov eax, 8",
            "ret",
            ".cfi_endproc",
            ".size rust_eh_personality, . - rust_eh_personality",
            "_Unwind_Resume:",
            ".cfi_startproc",
            "ud2",
            ".cfi_endproc",
            ".size _Unwind_Resume, . - _Unwind_Resume",
            ".popsection",
        );
    };
}

/// Defines `__crt_array_bounds`, which fills in six words: start and end of the preinit, init and fini
/// arrays; 0 where the linker defines none. (A mention of `_init` or `_fini`, even a weak one, would make GNU
/// ld write a DT_INIT or DT_FINI of 0, which interpreters call.)
#[doc(hidden)]
#[macro_export]
macro_rules! array_bounds {
    () => {
        ::core::arch::global_asm!(
            ".pushsection .text.__crt_array_bounds,\"ax\",@progbits",
            ".weak __preinit_array_start, __preinit_array_end, __init_array_start, __init_array_end",
            ".weak __fini_array_start, __fini_array_end",
            ".hidden __preinit_array_start, __preinit_array_end, __init_array_start, __init_array_end",
            ".hidden __fini_array_start, __fini_array_end",
            ".globl __crt_array_bounds",
            ".hidden __crt_array_bounds",
            ".type __crt_array_bounds,@function",
            "__crt_array_bounds:",
            ".cfi_startproc",
            "mov rax, [rip + __preinit_array_start@GOTPCREL]",
            "mov [rdi], rax",
            "mov rax, [rip + __preinit_array_end@GOTPCREL]",
            "mov [rdi + 8], rax",
            "mov rax, [rip + __init_array_start@GOTPCREL]",
            "mov [rdi + 16], rax",
            "mov rax, [rip + __init_array_end@GOTPCREL]",
            "mov [rdi + 24], rax",
            "mov rax, [rip + __fini_array_start@GOTPCREL]",
            "mov [rdi + 32], rax",
            "mov rax, [rip + __fini_array_end@GOTPCREL]",
            "mov [rdi + 40], rax",
            "ret",
            ".cfi_endproc",
            ".size __crt_array_bounds, . - __crt_array_bounds",
            ".popsection",
        );
    };
}

/// Has the processor fetch the cache line of an address, mapped or not, and waits for nothing.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    // SAFETY: the instruction is a hint: it changes no register and no memory, and faults at no address.
    unsafe { asm!("prefetcht0 [{}]", in(reg) address, options(nostack, preserves_flags, readonly)) };
}

/// Makes system call `number`; the kernel's answer is a value or a negated error number.
///
/// # Safety
/// The call with these arguments must not break memory that Rust relies on.
#[inline(always)]
pub unsafe fn system_call(number: usize, arguments: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the instruction changes rax, rcx, r11 and what the call itself changes, for which the caller
    // answers.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

/// The type of a relative relocation (R_X86_64_RELATIVE).
#[cfg(test)]
pub const RELATIVE: u64 = 8;

/// Of `open`: only a directory.
pub const O_DIRECTORY: i32 = 0o200000;
/// Of `open`: not through a symbolic link at the end of the path.
pub const O_NOFOLLOW: i32 = 0o400000;

/// The number and the arguments of access(2).
pub fn access(path: usize, mode: usize) -> (usize, [usize; 6]) {
    (number::ACCESS, [path, mode, 0, 0, 0, 0])
}

/// System call numbers (`syscall_64.tbl`).
pub mod number {
    #![allow(missing_docs, reason = "each is the number of the call that it is named after")]
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const FSTAT: usize = 5;
    pub const MMAP: usize = 9;
    pub const MPROTECT: usize = 10;
    pub const MUNMAP: usize = 11;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const PREAD64: usize = 17;
    pub const WRITEV: usize = 20;
    pub const ACCESS: usize = 21;
    pub const SCHED_YIELD: usize = 24;
    pub const MADVISE: usize = 28;
    pub const GETPID: usize = 39;
    pub const CLOCK_GETTIME: usize = 228;
    pub const KILL: usize = 62;
    pub const UNAME: usize = 63;
    pub const GETCWD: usize = 79;
    pub const FSTATFS: usize = 138;
    pub const GETDENTS64: usize = 217;
    pub const ARCH_PRCTL: usize = 158;
    pub const CHROOT: usize = 161;
    pub const GETTID: usize = 186;
    pub const FUTEX: usize = 202;
    pub const SET_TID_ADDRESS: usize = 218;
    pub const EXIT_GROUP: usize = 231;
    pub const TGKILL: usize = 234;
    pub const OPENAT: usize = 257;
    pub const NEWFSTATAT: usize = 262;
    pub const READLINKAT: usize = 267;
    pub const SET_ROBUST_LIST: usize = 273;
    pub const PIPE2: usize = 293;
    pub const PRLIMIT64: usize = 302;
    pub const RENAMEAT2: usize = 316;
    pub const GETRANDOM: usize = 318;
    pub const RSEQ: usize = 334;
    pub const MSEAL: usize = 462;
}

/// `struct stat` as the kernel fills it (`arch/x86/include/uapi/asm/stat.h`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RawStat {
    /// Device of the file system.
    pub st_dev: u64,
    /// Inode number.
    pub st_ino: u64,
    st_nlink: u64,
    /// Type and permissions.
    pub st_mode: u32,
    /// Owner.
    pub st_uid: u32,
    /// Group.
    pub st_gid: u32,
    pad: u32,
    st_rdev: u64,
    /// Length in bytes.
    pub st_size: i64,
    st_blksize: i64,
    st_blocks: i64,
    st_atime: [u64; 2],
    /// Time of the last change of the contents: seconds and nanoseconds.
    pub st_mtime: [u64; 2],
    st_ctime: [u64; 2],
    reserved: [i64; 3],
}

/// Makes `address` the calling thread's thread pointer (the base of `fs`).
///
/// # Safety
/// `address` must be a thread control block that fits the C library in use, for the life of the thread.
pub unsafe fn set_thread_pointer(address: usize) -> isize {
    const ARCH_SET_FS: usize = 0x1002;
    // SAFETY: the call changes nothing but the fs base, for which the caller answers.
    unsafe { system_call(number::ARCH_PRCTL, [ARCH_SET_FS, address, 0, 0, 0, 0]) }
}
