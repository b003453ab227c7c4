// In a glibc process, too, no other loader is mapped: libc needs one by name, and the one under test answers to it, also
// when libc opens libraries for itself (gconv, NSS, libgcc_s). The system's own would find itself, so it is not asked.
//# libc: glibc
//# oracle: no
//# stdout: other loaders 0
//# stdout: listed once 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <iconv.h>
#include <link.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static int listed;
static int each(struct dl_phdr_info *info, size_t size, void *base)
{
    listed += info->dlpi_addr == (unsigned long)base;
    return 0;
}

int main(void)
{
    void *frames[10];
    backtrace(frames, 10);
    getpwnam("root");
    iconv_open("UTF-8", "ISO-8859-1");
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    int others = 0;
    while (fgets(line, sizeof line, maps))
        others += strstr(line, "/ld-linux-x86-64.so.2") || strstr(line, "/ld-musl-") || strstr(line, "/ld-2.");
    printf("other loaders %d\n", others);
    // The loader's own module: as an interpreter at AT_BASE, as a command at the address of one of its functions.
    struct link_map *map = ((struct link_map *)dlopen(NULL, RTLD_NOW));
    unsigned long base = getauxval(AT_BASE);
    for (; map && !base; map = map->l_next)
        if (strstr(map->l_name, "loader-under-test"))
            base = map->l_addr;
    dl_iterate_phdr(each, (void *)base);
    printf("listed once %d\n", listed);
    return 0;
}

