    .data
    .balign 8
    .globl library_table, library_unaligned
    .type library_table, @object
    .size library_table, table_end - library_table
library_table:
own:
    .quad target
    .quad target + 5
    .quad own
    .quad target@SIZE
    .long target@SIZE + 4
    .long 0
table_end:
    .type library_unaligned, @object
    .size library_unaligned, 9
library_unaligned:
    .byte 0
    .quad target + 1
    .section .note.GNU-stack, "", @progbits
