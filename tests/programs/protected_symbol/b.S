// Written in assembly, because linkers and compilers differ in what they make of protected C symbols: here both
// references are relocations that name the symbol.
    .text
    .globl guarded, library_guarded, library_datum
    .protected guarded, guarded_datum
    .type guarded, @function
    .type library_guarded, @function
    .type library_datum, @function
guarded:
    mov $2, %eax
    ret
    .size guarded, . - guarded
library_guarded:
    jmp *guarded_pointer(%rip)
    .size library_guarded, . - library_guarded
library_datum:
    mov datum_pointer(%rip), %rax
    mov (%rax), %eax
    ret
    .size library_datum, . - library_datum
    .data
    .balign 8
guarded_pointer: .quad guarded
datum_pointer: .quad guarded_datum
    .globl guarded_datum
    .type guarded_datum, @object
    .size guarded_datum, 4
guarded_datum: .long 20
    .section .note.GNU-stack, "", @progbits
