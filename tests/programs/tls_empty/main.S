// A PT_TLS segment of no bytes is no reason to stop: .tbss of size 0 in the program.
//# exit: 0
    .section .tbss, "awT", @nobits
    .balign 16
    .globl nothing
nothing:
    .text
    .globl _start
_start:
    xor %edi, %edi
    mov $231, %eax
    syscall
    .section .note.GNU-stack, "", @progbits
