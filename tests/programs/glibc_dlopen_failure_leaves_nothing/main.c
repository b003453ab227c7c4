// A dlopen that fails in its third dependency, by a missing file or an undefined symbol, leaves no module, no mapping, no
// symbol, no descriptor, no link_map and no TLS number (BZ 25112, 25396, 20839, 26076).
//# libc: glibc
//# lib: leaf.c -> libabsent.so
//# lib: leaf.c -> libmiddle.so libabsent.so -Wl,--no-as-needed
//# lib: top.c -> libtop.so libmiddle.so -Wl,--no-as-needed
//# lib: undefined.c -> libundefined.so
//# lib: top.c -> libupper.so libundefined.so -Wl,--no-as-needed
//# lib: local.c -> liblocal1.so
//# lib: local.c -> liblocal2.so -ftls-model=initial-exec
//# lib: top.c -> liblast.so liblocal1.so liblocal2.so libundefined.so -Wl,--no-as-needed
//# after: rm libabsent.so
//# stdout: libabsent.so: cannot open shared object file: No such file or directory
//# stdout: @DIR@/./libundefined.so: undefined symbol: nowhere_at_all
//# stdout: modules as before 1
//# stdout: mappings as before 1
//# stdout: symbol of what failed 0
//# stdout: descriptors as before 1
//# stdout: link_maps as before 1
//# stdout: first TLS number again 1
#define _GNU_SOURCE
#include <dirent.h>
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

static int descriptors(void)
{
    int number = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        number++;
    closedir(folder);
    return number;
}

static int link_maps(void)
{
    int number = 0;
    for (struct link_map *map = _r_debug.r_map; map; map = map->l_next)
        number++;
    return number;
}

static size_t tls_number(void)
{
    size_t number = 0;
    void *local = dlopen("./liblocal1.so", RTLD_NOW);
    dlinfo(local, RTLD_DI_TLS_MODID, &number);
    dlclose(local);
    return number;
}

int main(void)
{
    size_t number_before = tls_number();
    int descriptors_before = descriptors(), link_maps_before = link_maps();
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
        if (dlopen("./liblast.so", RTLD_NOW | RTLD_GLOBAL))
            puts("opened");
    }
    printf("modules as before %d\n", modules() == modules_before);
    printf("mappings as before %d\n", mappings_of(".so") == mappings_before);
    printf("symbol of what failed %d\n", dlsym(RTLD_DEFAULT, "top") != NULL);
    printf("descriptors as before %d\n", descriptors() == descriptors_before);
    printf("link_maps as before %d\n", link_maps() == link_maps_before);
    printf("first TLS number again %d\n", tls_number() == number_before);
    return 0;
}
