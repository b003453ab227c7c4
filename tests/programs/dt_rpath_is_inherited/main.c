// DT_RPATH serves the libraries that a library needs, too; DT_RUNPATH only its own object's.
//# rpath: no
//# lib: c.c -> deep/libc_.so
//# lib: b.c -> libb.so -Ldeep -l:libc_.so
//# flags: libb.so -Wl,-rpath-link,deep -Wl,--disable-new-dtags -Wl,-rpath,$ORIGIN:$ORIGIN/deep
//# stdout: deep 5
#define BARE_MAIN
#include "bare.h"

extern int through_b(void);

int bare_main(long *stack)
{
    report("deep", through_b());
    return 0;
}
