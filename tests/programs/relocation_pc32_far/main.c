// A library refers by distances of 32 bits to the program and to another library, which are too far from each other: refused with the symbol that it does not reach, the distance
// and the fix.
//# linkers: bfd
//# lib: a.S -> liba.so
//# lib: b.S -> libb.so liba.so
//# flags: liba.so libb.so -Wl,--export-dynamic
//# after: swap libb.so 1800000001000000 0200000001000000
//# after: swap libb.so 1800000002000000 0200000002000000
//# oracle: no
//# modes: interp
//# exit: 127
//# stderr: lode[E0324]: 
//# stderr: causes overflow in R_X86_64_PC32 relocation
//# stderr: libb.so
//# stderr: fix: build the file with -fPIC
#define BARE_MAIN
#include "bare.h"

char target[24] = "here, not in the library";

int bare_main(long *stack)
{
    return 0;
}
