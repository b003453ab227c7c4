// A constructor may be a function of another module, but not a place inside one.
//# lib: c.c -> libc_.so
//# lib: b.c -> libb.so libc_.so
//# flags: libb.so
//# oracle: no
//# exit: 127
//# stderr: libb.so: a function that the file wants called
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    put("started\n");
    return answer();
}
