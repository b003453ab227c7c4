// LD_LIBRARY_PATH stands before DT_RUNPATH, its folders in order; one that does not exist is passed over.
//# lib: two.c -> b/libb.so
//# lib: three.c -> c/libb.so
//# lib: one.c -> libb.so
//# flags: libb.so
//# env: LD_LIBRARY_PATH=@DIR@/absent:@DIR@/b:@DIR@/c
//# exit: 2
#define BARE_MAIN
#include "bare.h"

extern int which(void);

int bare_main(long *stack)
{
    return which();
}
