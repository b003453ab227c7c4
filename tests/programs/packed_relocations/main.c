// Relocations as Android packs them (APS2), of a program and a library, with relative ones in RELR in the second library. (glibc's loader does not know them.)
//# linkers: lld
//# lib: b.c -> libb.so -Wl,--pack-dyn-relocs=android
//# lib: c.c -> libc2.so -Wl,--pack-dyn-relocs=android+relr libb.so
//# flags: -rdynamic -Wl,--pack-dyn-relocs=android libb.so libc2.so
//# oracle: no
//# stdout: ok library
//# stdout: ok library with RELR
//# stdout: ok program
#define BARE_MAIN
#include "bare.h"

int sum(void);
int of_c(void);
static int four(void) { return 4; }
int (*const of_main)(void) = four;
static int five = 5;
int *volatile pointer = &five;

int bare_main(long *stack)
{
    check(sum() == 12313 + 4, "library");
    check(of_c() == 12313 + 4 + 7, "library with RELR");
    check(*pointer == 5, "program");
    return 0;
}
