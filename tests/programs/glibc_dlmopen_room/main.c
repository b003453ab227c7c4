// How many namespaces have room for a libc of their own when the tunable asks for one.
//# libc: glibc
//# bind: lazy
//# lib: ../glibc_dlmopen_many/count.c -> libcount.so
//# env: GLIBC_TUNABLES=glibc.rtld.nns=1
//# stdout-any: yes
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    int opened = 0;
    while (opened < 32 && dlmopen(LM_ID_NEWLM, "./libcount.so", RTLD_NOW))
        opened++;
    printf("%d\n", opened);
    return opened < 2;
}
