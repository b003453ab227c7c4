// A library whose segments reach beyond its end is refused before anything of it is mapped: glibc maps it and the
// program dies of SIGBUS.
//# lib: b.c -> libb.so
//# flags: libb.so
//# after: truncate libb.so 5000
//# oracle: no
//# exit: 127
//# stderr: ./main: error while loading shared libraries:
//# stderr: libb.so: 
#define BARE_MAIN
#include "bare.h"

extern char block[20000];

int bare_main(long *stack)
{
    put("started\n");
    return block[19999];
}
