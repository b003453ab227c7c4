// A function that nobody defines at the start is looked up again at the call: a library opened since defines it.
//# libc: glibc
//# lib: late.c -> liblate.so
//# lib: b.c -> libb.so
//# flags: libb.so -Wl,--allow-shlib-undefined
//# bind: lazy
//# stdout: late 8
#include <dlfcn.h>
#include <stdio.h>

extern int calls_late(void);

int main(void)
{
    if (!dlopen("./liblate.so", RTLD_NOW | RTLD_GLOBAL))
        return puts(dlerror()), 1;
    printf("late %d\n", calls_late());
    return 0;
}
