// `call_through`: calls the function that it gets. With ABSOLUTE its frame information is written by hand, as code generators do that were made for memory of
// their own: the address of the code stands there as it is (DW_EH_PE_absptr), and has to be relocated in a segment that is not writable. Without it there is a
// distance (DW_EH_PE_pcrel), as assemblers write it.
    .text
    .globl call_through
    .type call_through, @function
call_through:
#ifndef ABSOLUTE
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register rbp
    call *%rdi
    pop %rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
#else
    push %rbp
    mov %rsp, %rbp
    call *%rdi
    pop %rbp
    ret
.Lend:
    // No .eh_frame_hdr leads to it.
register:
    lea frames(%rip), %rdi
    jmp __register_frame@PLT
    .section .init_array, "aw", @init_array
    .quad register
    .section .frames, "a", @progbits
    .balign 8
frames:
1:  .long 3f - 2f
2:  .long 0
    .byte 1
    .string "zR"
    .uleb128 1
    .sleb128 -8
    .byte 16
    .uleb128 1
    .byte 0
    // The caller's frame is at rbp + 16; its rbp is 16 bytes below that, its return address 8.
    .byte 0x0c, 6, 16
    .byte 0x86, 2
    .byte 0x90, 1
    .balign 8
3:  .long 5f - 4f
4:  .long 4b - 1b
    .quad call_through
    .quad .Lend - call_through
    .byte 0
    .balign 8
5:  .long 0
#endif
    .section .note.GNU-stack, "", @progbits
