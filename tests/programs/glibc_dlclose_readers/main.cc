// Whoever leaves dl_iterate_phdr by an exception leaves no reader behind: libraries are unmapped all the same, and unwinders that keep what they
// saw learn from dlpi_adds and dlpi_subs that the list has changed.
//# libc: glibc
//# lib: plain.c -> libone.so
//# lib: plain.c -> libtwo.so
//# stdout: caught
//# stdout: mappings stay 1
//# stdout: closing is counted 1, opening is counted 1
#include <cstdio>
#include <dlfcn.h>
#include <link.h>
#include "maps.h"

static unsigned long long adds, subs;

static int throws(dl_phdr_info *, size_t, void *) { throw 1; }

static int counts(dl_phdr_info *info, size_t, void *)
{
    adds = info->dlpi_adds;
    subs = info->dlpi_subs;
    return 1;
}

int main()
{
    try {
        dl_iterate_phdr(throws, nullptr);
    } catch (int) {
        puts("caught");
    }
    dlclose(dlopen("./libone.so", RTLD_NOW));
    int before = mappings_of("");
    for (int i = 0; i < 200; i++)
        dlclose(dlopen("./libone.so", RTLD_NOW));
    printf("mappings stay %d\n", mappings_of("") < before + 20);
    void *one = dlopen("./libone.so", RTLD_NOW);
    dl_iterate_phdr(counts, nullptr);
    unsigned long long adds_before = adds, subs_before = subs;
    dlclose(one);
    dlopen("./libtwo.so", RTLD_NOW);
    dl_iterate_phdr(counts, nullptr);
    printf("closing is counted %d, opening is counted %d\n", subs == subs_before + 1, adds == adds_before + 1);
    return 0;
}
