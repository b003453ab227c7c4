// Namespaces: dlmopen, and what is found, opened, visited and closed inside one.
//# libc: glibc
//# lib: helper.c -> libhelper.so
//# lib: guest.c -> libguest.so -L. -lhelper -Wl,-rpath,$ORIGIN
//# lib: only_base.c -> libonly_base.so
//# flags: -pthread
//# stdout: namespaces 1 2
//# stdout: counters 102 101 101
//# stdout: each has its malloc 1
//# stdout: found inside 1 0, outside 0 1
//# stdout: visits inside 1 1, outside 0
//# stdout: threads inside 66 66
//# stdout: opens inside 21
//# stdout: users 1
//# stdout: environment 1
//# stdout: again 102
//# stdout: not loaded here 1
//# stdout: refused: invalid namespace: Invalid argument
//# stdout: refused: invalid mode: Invalid argument
//# stdout: refused: ./libguest.so: invalid mode for dlopen(): Invalid argument
//# stdout: refused: ./libguest.so: invalid target namespace in dlmopen(): Invalid argument
//# stdout: refused: ./libguest.so: invalid target namespace in dlmopen(): Invalid argument
//# stdout: refused: ./libguest.so: invalid target namespace in dlmopen(): Invalid argument
//# stdout: refused: ./libabsent.so: cannot open shared object file: No such file or directory
//# stdout: base by number 1
//# stdout: guest ends with 102
//# stdout: begins anew 1 101
//# stdout: guest ends with 101
//# stdout: guest ends with 101
//# stdout: base ends
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "maps.h"

static void *must(void *handle)
{
    if (!handle)
        puts(dlerror());
    return handle;
}

static void refused(Lmid_t namespace, const char *file, int mode)
{
    void *handle = dlmopen(namespace, file, mode);
    printf("refused: %s\n", handle ? "no" : dlerror());
}

static int call(void *handle, const char *name)
{
    return ((int (*)(void))dlsym(handle, name))();
}

static Lmid_t namespace_of(void *handle)
{
    Lmid_t namespace = -5;
    dlinfo(handle, RTLD_DI_LMID, &namespace);
    return namespace;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    *(int *)data += strstr(info->dlpi_name, "libguest.so") != NULL;
    return 0;
}

static int guests_visible(void)
{
    int count = 0;
    dl_iterate_phdr(visit, &count);
    return count;
}

int main(void)
{
    setbuf(stdout, NULL);
    must(dlopen("./libonly_base.so", RTLD_NOW | RTLD_GLOBAL));
    setenv("SET_LATER", "yes", 1);
    void *first = must(dlmopen(LM_ID_NEWLM, "./libguest.so", RTLD_NOW));
    void *second = must(dlmopen(LM_ID_NEWLM, "./libguest.so", RTLD_LAZY));
    printf("namespaces %ld %ld\n", namespace_of(first), namespace_of(second));
    printf("counters %d %d %d\n", call(first, "bump"), call(first, "bump"), call(second, "bump"));
    printf("each has its malloc %d\n",
           ((void *(*)(void))dlsym(first, "address_of_malloc"))() != (void *)malloc &&
               ((void *(*)(void))dlsym(first, "address_of_malloc"))() !=
                   ((void *(*)(void))dlsym(second, "address_of_malloc"))());
    int (*finds)(const char *) = (int (*)(const char *))dlsym(first, "finds_by_default");
    printf("found inside %d %d, outside %d %d\n", finds("bump"), finds("only_in_base"),
           dlsym(RTLD_DEFAULT, "bump") != NULL, dlsym(RTLD_DEFAULT, "only_in_base") != NULL);
    printf("visits inside %d %d, outside %d\n", call(first, "visits"), call(second, "visits"), guests_visible());
    printf("threads inside %ld %ld\n", ((long (*)(void))dlsym(first, "thread"))(),
           ((long (*)(void))dlsym(second, "thread"))());
    printf("opens inside %ld\n", ((long (*)(const char *))dlsym(second, "opens"))("./libhelper.so"));
    printf("users %d\n", call(first, "knows_root"));
    printf("environment %d\n", call(first, "knows_variable"));
    void *again = must(dlmopen(namespace_of(first), "./libhelper.so", RTLD_NOW));
    printf("again %d\n", *(int *)dlsym(again, "counter"));
    printf("not loaded here %d\n", dlmopen(namespace_of(first), "./libonly_base.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
    refused(LM_ID_NEWLM, NULL, RTLD_NOW);
    refused(LM_ID_NEWLM, "./libguest.so", RTLD_NOW | RTLD_GLOBAL);
    refused(LM_ID_NEWLM, "./libguest.so", 0);
    refused(7, "./libguest.so", RTLD_NOW);
    refused(99, "./libguest.so", RTLD_NOW);
    refused(-7, "./libguest.so", RTLD_NOW);
    refused(LM_ID_NEWLM, "./libabsent.so", RTLD_NOW);
    printf("base by number %d\n", dlmopen(LM_ID_BASE, NULL, RTLD_NOW) == dlopen(NULL, RTLD_NOW));
    dlclose(again);
    dlclose(first);
    first = must(dlmopen(LM_ID_NEWLM, "./libguest.so", RTLD_NOW));
    printf("begins anew %ld %d\n", namespace_of(first), call(first, "bump"));
    return 0;
}
