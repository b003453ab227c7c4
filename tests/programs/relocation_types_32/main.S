// 32-bit relocations in the data of a program at a fixed address, against names of a library with absolute values
// that fit: 32, 32S, PC32 and 64. Only GNU ld leaves these to the loader. The exit status counts the first that is wrong.
//# linkers: bfd
//# lib: b.S -> libb.so
//# flags: libb.so -no-pie -Wl,-z,noreloc-overflow
//# exit: 0
    .text
    .globl _start
_start:
    mov $1, %edi
    cmpl $0x12345, word32
    jne 1f
    inc %edi
    cmpl $-0x1000, signed_word
    jne 1f
    inc %edi
    mov relative, %eax
    add $relative, %eax
    cmp $0x12345, %eax
    jne 1f
    inc %edi
    cmpq $0x12346, word64
    jne 1f
    inc %edi
    cmpl $0x12347, unaligned
    jne 1f
    xor %edi, %edi
1:  mov $231, %eax
    syscall
    .data
    .balign 8
word32:   .long small
relative: .long small - .
word64:   .quad small + 1
signed_word:
          .reloc signed_word, R_X86_64_32S, negative
          .long 0
          .byte 0
unaligned: .long small + 2
    .section .note.GNU-stack, "", @progbits
