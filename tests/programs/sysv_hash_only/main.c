// Symbols found by DT_HASH alone.
//# lib: b.c -> libb.so -Wl,--hash-style=sysv
//# flags: libb.so -Wl,--hash-style=sysv -Wl,--export-dynamic
//# stdout: sum 10
//# stdout: callback 7
#define BARE_MAIN
#include "bare.h"

extern int one(void), two(void), three(void), four(void), calls_back(void);
int called_back(void) { return 7; }

int bare_main(long *stack)
{
    report("sum", one() + two() + three() + four());
    report("callback", calls_back());
    return 0;
}
