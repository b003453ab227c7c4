// dlopen and dlclose from constructors and destructors.
//# libc: glibc
//# lib: inner.c -> libinner.so
//# lib: outer.c -> libouter.so
//# stdout: + outer
//# stdout: + inner
//# stdout: opened
//# stdout: - outer begins
//# stdout: - outer ends
//# stdout: - inner
//# stdout: closed, mapped: outer 0, inner 0
//# stdout: + outer
//# stdout: + inner
//# stdout: - outer begins
//# stdout: - outer ends
//# stdout: - inner
//# stdout: closed, mapped: outer 0, inner 0
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include "maps.h"

int main(void)
{
    setbuf(stdout, NULL);
    void *outer = dlopen("./libouter.so", RTLD_NOW);
    puts("opened");
    for (int round = 0; round < 2; round++) {
        dlclose(outer);
        printf("closed, mapped: outer %d, inner %d\n", is_mapped("/libouter.so"), is_mapped("/libinner.so"));
        if (round == 0)
            outer = dlopen("./libouter.so", RTLD_NOW);
    }
    return 0;
}
