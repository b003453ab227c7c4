// A resolver may read initialised thread-local data, with immediate binding too (glibc runs it before there is any).
//# lib: b.c -> libb.so
//# flags: libb.so
//# oracle: no
//# stdout: tls 40
//# stdout: pointer in tls 1
#define BARE_MAIN
#include "bare.h"

extern int tls_word(void), tls_pointer(void);

int bare_main(long *stack)
{
    report("tls", tls_word());
    report("pointer in tls", tls_pointer());
    return 0;
}
