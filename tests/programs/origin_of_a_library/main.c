// $ORIGIN is the folder of the object that says it, in both spellings.
//# rpath: no
//# lib: c.c -> one/two/libdeep_.so
//# lib: b.c -> one/libb.so -Lone/two -l:libdeep_.so -Wl,-rpath,${ORIGIN}/two
//# flags: -Lone -l:libb.so -Wl,-rpath-link,one/two -Wl,-rpath,$ORIGIN/one
//# stdout: deep 5
#define BARE_MAIN
#include "bare.h"

extern int through_b(void);

int bare_main(long *stack)
{
    report("deep", through_b());
    return 0;
}
