// A dlopen that fails in its third dependency, by a missing file or an undefined symbol, leaves no module, no mapping and no symbol.
//# libc: glibc
//# lib: leaf.c -> libabsent.so
//# lib: leaf.c -> libmiddle.so libabsent.so -Wl,--no-as-needed
//# lib: top.c -> libtop.so libmiddle.so -Wl,--no-as-needed
//# lib: undefined.c -> libundefined.so
//# lib: top.c -> libupper.so libundefined.so -Wl,--no-as-needed
//# after: rm libabsent.so
//# stdout: libabsent.so: cannot open shared object file: No such file or directory
//# stdout: @DIR@/./libundefined.so: undefined symbol: nowhere_at_all
//# stdout: modules as before 1
//# stdout: mappings as before 1
//# stdout: symbol of what failed 0
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include "maps.h"

static int count(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)info, (void)size;
    ++*(int *)data;
    return 0;
}

static int modules(void)
{
    int number = 0;
    dl_iterate_phdr(count, &number);
    return number;
}

int main(void)
{
    int modules_before = modules(), mappings_before = mappings_of(".so");
    for (int round = 0; round < 20; round++) {
        if (dlopen("./libtop.so", RTLD_NOW | RTLD_GLOBAL))
            puts("opened");
        const char *text = dlerror();
        if (round == 0)
            puts(text);
        if (dlopen("./libupper.so", RTLD_NOW | RTLD_GLOBAL))
            puts("opened");
        text = dlerror();
        if (round == 0)
            puts(text);
    }
    printf("modules as before %d\n", modules() == modules_before);
    printf("mappings as before %d\n", mappings_of(".so") == mappings_before);
    printf("symbol of what failed %d\n", dlsym(RTLD_DEFAULT, "top") != NULL);
    return 0;
}
