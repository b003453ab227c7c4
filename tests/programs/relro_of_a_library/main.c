// A library's RELRO is read-only, too, before its constructors run.
//# lib: b.c -> libb.so -Wl,-z,relro -Wl,-z,now
//# flags: libb.so
//# stdout: constructor reads 1
//# signal: 11
#define BARE_MAIN
#include "bare.h"

int bare_main(long *stack)
{
    put("main\n");
    return 0;
}
