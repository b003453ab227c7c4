    .globl small, negative
    .set small, 0x12345
    .set negative, -0x1000
    .section .note.GNU-stack, "", @progbits
