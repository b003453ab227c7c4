    .data
    .globl far_away
    .type far_away, @object
    .size far_away, 8
far_away: .quad 0
    .section .note.GNU-stack, "", @progbits
