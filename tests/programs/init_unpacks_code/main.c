// DT_INIT may map code between the segments of its library, as a packed library does (UPX), before the arrays and DT_FINI lead there.
//# lib: b.c -> libb.so -Wl,-init=unpack -Wl,-z,separate-code -Wl,-z,max-page-size=0x10000
//# flags: libb.so
//# linkers: bfd
//# stdout: unpacked
//# stdout: constructed 1
#define BARE_MAIN
#include "bare.h"

extern int constructed;

int bare_main(long *stack)
{
    (void)stack;
    report("constructed", constructed);
    return 0;
}
