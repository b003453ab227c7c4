// The note of a file that asks to be sealed: GNU_PROPERTY_MEMORY_SEAL, which has no content (Linux gABI extensions, "Program Property").
    .section .note.gnu.property, "a", @note
    .balign 8
    .long 4, 8, 5
    .asciz "GNU"
    .long 3, 0
    .section .note.GNU-stack, "", @progbits
