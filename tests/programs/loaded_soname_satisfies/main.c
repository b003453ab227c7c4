// A library that is already loaded satisfies a need by its soname: its file is not looked for a second time, wherever
// it was found.
//# rpath: no
//# lib: c.c -> hidden/libc_.so -Wl,-soname,libc_.so
//# lib: b.c -> libb.so -Lhidden -l:libc_.so
//# flags: -Lhidden -l:libc_.so libb.so -Wl,-rpath-link,hidden -Wl,-rpath,$ORIGIN/hidden:$ORIGIN
//# exit: 5
#define BARE_MAIN
#include "bare.h"

extern int through_b(void), from_c(void);

int bare_main(long *stack)
{
    return through_b() == from_c() ? 5 : 1;
}
