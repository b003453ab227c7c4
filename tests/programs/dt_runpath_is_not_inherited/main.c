// The same with DT_RUNPATH: the library that a library needs is not found.
//# rpath: no
//# lib: c.c -> deep/libdeep_.so
//# lib: b.c -> libb.so -Ldeep -l:libdeep_.so
//# flags: libb.so -Wl,-rpath-link,deep -Wl,--enable-new-dtags -Wl,-rpath,$ORIGIN:$ORIGIN/deep
//# exit: 127
//# stderr: error while loading shared libraries: libdeep_.so: cannot open shared object file: No such file or directory
#define BARE_MAIN
#include "bare.h"

extern int through_b(void);

int bare_main(long *stack)
{
    report("deep", through_b());
    return 0;
}
