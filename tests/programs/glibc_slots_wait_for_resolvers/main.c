// A resolver that is not glibc's may call any function, also one of a library whose long table of slots would wait otherwise: it runs before the process has a binder.
//# libc: glibc
//# lib: a.c -> liba.so
//# lib: b.c -> libb.so -Wl,-z,lazy liba.so
//# flags: -Wl,-z,lazy libb.so liba.so
//# bind: lazy
//# stdout: chosen 301
#include <stdio.h>

extern int chosen(void);

int main(void)
{
    printf("chosen %d\n", chosen());
    return 0;
}
