// A function that nobody defines stops nothing as long as nobody calls it and nobody asked for immediate binding.
//# lib: b.c -> libb.so
//# flags: libb.so -Wl,--allow-shlib-undefined
//# bind: lazy
//# exit: 4
#define BARE_MAIN
#include "bare.h"

extern int answer(int);

int bare_main(long *stack)
{
    return answer(0);
}
