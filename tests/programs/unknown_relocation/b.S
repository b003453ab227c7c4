    .weak absent
    .data
    .balign 8
    .globl word
    .type word, @object
    .size word, 8
word:
    .quad absent + 0x1122334455667788
    .section .note.GNU-stack, "", @progbits
