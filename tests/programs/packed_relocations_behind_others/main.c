// What was looked up for the table of one library is not taken for the answer to another's packed one (APS2), whichever is relocated first.
//# linkers: lld
//# lib: defines.c -> libdefines.so
//# lib: first.c -> libfirst.so libdefines.so
//# lib: packed.c -> libpacked.so -Wl,--pack-dyn-relocs=android libdefines.so
//# lib: last.c -> liblast.so libdefines.so
//# flags: libfirst.so libpacked.so liblast.so libdefines.so
//# oracle: no
//# stdout: ok plain
//# stdout: ok packed
#define BARE_MAIN
#include "bare.h"

extern int *first, *packed, *last;

int bare_main(long *stack)
{
    check(*first == 100 && *last == 300, "plain");
    check(*packed == 200, "packed");
    return 0;
}
