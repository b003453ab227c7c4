// An object that was built when musl still had the names for large files, as many libraries of other languages were: from 1.2.4 on its loader answers to them.
//# libc: musl
//# lib: old.c -> libold.so
//# flags: libold.so
//# stdout: old names work 1
#include <stdio.h>

extern int old(void);

int main(void)
{
    printf("old names work %d\n", old());
    return 0;
}
