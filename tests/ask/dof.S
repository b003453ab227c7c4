# DOF as `dtrace -G` leaves it in an object file: a provider with two probes. The first one's function is named by an ordinary relocation of its
# address (DOF_RELO_SETX); the second one's is the distance from the word (DOF_RELO_DOFREL).
    .text
    .globl tagged
    .type tagged, @function
tagged:
    nop
    nop
    nop
    ret
    .size tagged, . - tagged
    .globl other
    .type other, @function
other:
    nop
    nop
    ret
    .size other, . - other

    .section .SUNW_dof, "aw", @progbits
    .balign 8
dof:
    .byte 0x7f, 'D', 'O', 'F', 2, 1, 2, 2, 8, 8, 0, 0, 0, 0, 0, 0
    .4byte 0, 64, 32, 8                      # flags, bytes of the header, of a section's header, sections
    .8byte sections - dof, end - dof, end - dof, 0
sections:
    .4byte 8, 1, 1, 0                        # 0: strings
    .8byte strings - dof, strings_end - strings
    .4byte 16, 8, 1, 48                      # 1: probes
    .8byte probes - dof, probes_end - probes
    .4byte 17, 1, 1, 1                       # 2: argument mappings
    .8byte mappings - dof, 1
    .4byte 18, 4, 1, 4                       # 3: distances
    .8byte distances - dof, 12
    .4byte 26, 4, 1, 4                       # 4: distances of places that ask
    .8byte asking - dof, 4
    .4byte 15, 4, 1, 0                       # 5: provider
    .8byte provider - dof, 44
    .4byte 10, 8, 1, 24                      # 6: relocations
    .8byte relocations - dof, 48
    .4byte 12, 4, 1, 0                       # 7: their header
    .8byte relocation_header - dof, 12
strings:
    .byte 0
name_provider: .asciz "shop"
name_tagged: .asciz "tagged"
name_other: .asciz "other"
name_sold: .asciz "sold"
name_empty: .asciz "empty"
types: .asciz "int"
    .asciz "char *"
strings_end:
    .balign 8
probes:
    .8byte tagged
    .4byte name_tagged - strings, name_sold - strings, types - strings, types - strings, 0, 0
    .byte 2, 2
    .2byte 2                                 # places
    .4byte 0
    .2byte 1, 0                              # places that ask
    .4byte 0
    .8byte other - .
    .4byte name_other - strings, name_empty - strings, 0, 0, 0, 2
    .byte 0, 0
    .2byte 1
    .4byte 0
    .2byte 0, 0
    .4byte 0
probes_end:
mappings: .byte 0
    .balign 4
distances: .4byte 1, 2, 1
asking: .4byte 0
provider:
    .4byte 0, 1, 2, 3, name_provider - strings
    .4byte 0, 0, 0, 0, 0, 4
    .balign 8
relocations:
    .4byte name_tagged - strings, 1
    .8byte 0, 0
    .4byte name_other - strings, 2
    .8byte 48, 0
relocation_header:
    .4byte 0, 6, 1
end:
