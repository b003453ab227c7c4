// A 32-bit word cannot hold the address of a library: refused with the place and the distance. (glibc says so, and
// stores the low half.)
//# linkers: bfd
//# lib: b.S -> libb.so
//# flags: libb.so -no-pie -Wl,-z,noreloc-overflow
//# oracle: no
//# exit: 127
//# stderr: far_away
//# stderr: R_X86_64_32
    .text
    .globl _start
_start:
    xor %edi, %edi
    mov $231, %eax
    syscall
    .data
    .long far_away
    .section .note.GNU-stack, "", @progbits
