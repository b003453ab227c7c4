    .data
    .globl of_a
    .type of_a, @object
    .size of_a, 8
of_a: .quad 0
    .section .note.GNU-stack, "", @progbits
