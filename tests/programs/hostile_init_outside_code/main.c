// A constructor that is not code is refused before anything runs: glibc jumps into the data.
//# lib: b.c -> libb.so
//# flags: libb.so
//# oracle: no
//# exit: 127
//# stderr: libb.so: a function that the file wants called
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

__attribute__((constructor)) static void first(void)
{
    put("constructor\n");
}

int bare_main(long *stack)
{
    put("started\n");
    return answer();
}
