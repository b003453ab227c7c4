// A library that stands before libc defines libc's versions, and its resolver calls functions of a table that would wait: it is not taken for one of glibc's, whose resolvers call nothing.
//# libc: glibc
//# lib: ../glibc_slots_wait_for_resolvers/a.c -> liba.so
//# lib: ../glibc_slots_wait_for_resolvers/b.c -> libb.so -Wl,-z,lazy -Wl,--version-script=@SOURCE@/versions.map liba.so
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
