// A preload that cannot be had is glibc's ignored line, and the program runs.
//# env: LD_PRELOAD=@DIR@/absent.so
//# exit: 3
//# stderr: ERROR: ld.so: object '@DIR@/absent.so' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.
#define BARE_MAIN
#include "bare.h"

int bare_main(long *stack)
{
    return 3;
}
