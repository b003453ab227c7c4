// GLIBC_TUNABLES reaches libc: a malloc tunable, and one that takes a processor's feature away.
//# libc: glibc
//# env: GLIBC_TUNABLES=glibc.malloc.check=0:glibc.malloc.perturb=85:glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-EVEX,-AVX512VL:glibc.malloc.mmap_threshold=100000
//# stdout-any: yes
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    volatile unsigned char *block = malloc(64);
    printf("perturbed %x\n", block[40]);
    malloc(120000);
    printf("mapped blocks %d\n", mallinfo().hblks);
    Dl_info info;
    char *function = dlsym(RTLD_DEFAULT, "strlen");
    dladdr(function, &info);
    printf("strlen %lx\n", (unsigned long)(function - (char *)info.dli_fbase));
    return block[40] != (0xff ^ 85);
}
