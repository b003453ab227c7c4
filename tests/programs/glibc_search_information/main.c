// dlinfo(RTLD_DI_SERINFO): the directories that a library's needs are looked for in: those of the environment, its own DT_RUNPATH, the defaults.
//# libc: glibc
//# lib: plain.c -> libplain.so -Wl,-rpath,/own/first:/own/second
//# flags: -Wl,-rpath,/program
//# env: LD_LIBRARY_PATH=/from/environment:
//# stdout: program: 0 /from/environment . /program, defaults 1, size right 1
//# stdout: library: 0 /from/environment . /own/first /own/second, defaults 1, size right 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(const char *what, void *handle)
{
    Dl_serinfo head;
    int failed = dlinfo(handle, RTLD_DI_SERINFOSIZE, &head);
    Dl_serinfo *all = malloc(head.dls_size);
    *all = head;
    failed |= dlinfo(handle, RTLD_DI_SERINFO, all);
    size_t size = 16 + all->dls_cnt * sizeof *all->dls_serpath;
    unsigned i = 0;
    printf("%s: %d", what, failed);
    for (; i < all->dls_cnt && strncmp(all->dls_serpath[i].dls_name, "/lib", 4); i++)
        if (!strstr(all->dls_serpath[i].dls_name, "lode-programs")) // where the test stands
            printf(" %s", all->dls_serpath[i].dls_name);
    int defaults = i < all->dls_cnt;
    for (i = 0; i < all->dls_cnt; i++) {
        defaults &= all->dls_serpath[i].dls_flags == 0;
        size += strlen(all->dls_serpath[i].dls_name) + 1;
    }
    printf(", defaults %d, size right %d\n", defaults, size == head.dls_size);
}

int main(void)
{
    show("program", dlopen(NULL, RTLD_NOW));
    show("library", dlopen("libplain.so", RTLD_NOW));
    return 0;
}
