// LD_PRELOAD: libraries behind the program and before its own, in order; by path and, with a library path, by name.
//# lib: one.c -> libone.so
//# lib: two.c -> libtwo.so
//# lib: b.c -> libb.so
//# flags: libb.so
//# env: LD_PRELOAD=@DIR@/libone.so libtwo.so
//# env: LD_LIBRARY_PATH=@DIR@
//# stdout: first 1
//# stdout: second 2
//# stdout: third 3
#define BARE_MAIN
#include "bare.h"

extern int first(void), second(void), third(void);

int bare_main(long *stack)
{
    report("first", first());
    report("second", second());
    report("third", third());
    return 0;
}
