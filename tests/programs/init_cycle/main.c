// Libraries that need one another: each constructor runs once, and the order is the system loader's.
//# lib: a_alone.c -> liba.so
//# lib: b.c -> libb.so liba.so
//# lib: a.c -> liba.so libb.so
//# flags: liba.so libb.so
//# oracle: no
//# stdout: a init
//# stdout: b init
//# stdout: ok a once
//# stdout: ok b once
//# stdout: b fini
//# stdout: a fini
#define BARE_MAIN
#define BARE_FINALISE
#include "bare.h"

extern int counter_a, counter_b;

int bare_main(long *stack)
{
    check(counter_a == 1, "a once");
    check(counter_b == 1, "b once");
    return counter_a != 1 || counter_b != 1;
}
