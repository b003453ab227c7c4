// DT_RPATH (without DT_RUNPATH) stands before LD_LIBRARY_PATH.
//# rpath: no
//# lib: two.c -> b/libb.so
//# lib: one.c -> libb.so
//# flags: libb.so -Wl,--disable-new-dtags -Wl,-rpath,$ORIGIN
//# env: LD_LIBRARY_PATH=@DIR@/b
//# exit: 1
#define BARE_MAIN
#include "bare.h"

extern int which(void);

int bare_main(long *stack)
{
    return which();
}
