// DT_REL: the addends lie in the places. Only lld makes such files for x86-64, and glibc's loader for x86-64 reads
// no DT_REL, so it cannot be asked.
//# linkers: lld
//# lib: b.c -> libb.so -Wl,-z,rel
//# flags: libb.so -Wl,-z,rel
//# oracle: no
//# stdout: relative 3
//# stdout: symbolic 5
//# stdout: call 9
#define BARE_MAIN
#include "bare.h"

extern int array[4], nine(void);
static int mine[4] = {0, 1, 2, 3};
static int *volatile relative = &mine[3];
static int *volatile symbolic = &array[2];

int bare_main(long *stack)
{
    report("relative", *relative);
    report("symbolic", *symbolic);
    report("call", nine());
    return 0;
}
