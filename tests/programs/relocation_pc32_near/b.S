// Made R_X86_64_PC32 when it is linked: GNU ld writes the 64-bit type only.
    .data
    .balign 8
    .globl library_distance
    .type library_distance, @object
    .size library_distance, 8
library_distance:
    .quad target - .
    .section .note.GNU-stack, "", @progbits
