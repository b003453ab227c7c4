// Two names of one file are one library: one counter, one constructor.
//# lib: b.c -> libb.so
//# lib: c.c -> libother.so
//# flags: libb.so libother.so
//# after: rm libother.so
//# after: ln libb.so libother.so
//# after: ln libb.so libthird.so
//# env: LD_PRELOAD=@DIR@/libthird.so
//# stdout: constructors 1
#define BARE_MAIN
#include "bare.h"

extern int constructors;

int bare_main(long *stack)
{
    report("constructors", constructors);
    return 0;
}
