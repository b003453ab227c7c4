    .data
    .balign 8
    .quad target - .
    .quad of_a - .
    .section .note.GNU-stack, "", @progbits
