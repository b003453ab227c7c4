    .data
    .balign 8
    .globl distance
    .type distance, @object
    .size distance, 8
distance:
    .quad of_a - .
    .section .note.GNU-stack, "", @progbits
