// PT_PHDR, the first program header, lies about its address by 4 KiB. The kernel does not look at it, and glibc computes the load bias from it.
//# after: poke main 81 16
//# modes: interp
//# oracle: no
//# exit: 127
//# stderr: headers are not in memory where PT_PHDR and the kernel say
#define BARE_MAIN
#include "bare.h"

int bare_main(long *stack)
{
    put("started\n");
    return 0;
}
