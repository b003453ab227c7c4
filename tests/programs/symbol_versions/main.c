// Two versions of one symbol: a program linked against the default gets it, a reference to the hidden old one
// gets that, and a library linked before there were versions gets the base definition.
//# lib: plain.c -> libv.so.0 -Wl,-soname,libv.so
//# lib: old_user.c -> libold.so libv.so.0
//# lib: v.c -> libv.so -Wl,-soname,libv.so -Wl,--version-script=@SOURCE@/v.map
//# flags: libv.so libold.so
//# stdout: default 2
//# stdout: old 1
//# stdout: unversioned 1
#define BARE_MAIN
#include "bare.h"

extern int versioned(void), old_versioned(void), from_unversioned(void);
__asm__(".symver old_versioned, versioned@V1");

int bare_main(long *stack)
{
    report("default", versioned());
    report("old", old_versioned());
    report("unversioned", from_unversioned());
    return 0;
}
