    .data
    .balign 8
    .globl library_distances
    .type library_distances, @object
    .size library_distances, 16
library_distances:
    .quad target - .
    .quad target + 9 - .
    .section .note.GNU-stack, "", @progbits
