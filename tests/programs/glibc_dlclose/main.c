// dlclose unloads: destructors in order, dependencies that nobody else needs, and a fresh start when the library is opened again.
//# libc: glibc
//# lib: shared.c -> libshared.so
//# lib: a.c -> liba.so libshared.so
//# lib: b.c -> libb.so libshared.so
//# stdout: + shared
//# stdout: + a
//# stdout: + b
//# stdout: a counts 1, 2; shared counts 1
//# stdout: first close 0, still there 1
//# stdout: - a
//# stdout: second close 0, a there 0, shared there 1
//# stdout: mapped: a 0, shared 1
//# stdout: + a
//# stdout: a counts 1, 2; shared counts 2
//# stdout: - b
//# stdout: - a
//# stdout: - shared
//# stdout: mapped: a 0, shared 0
//# stdout: closed once more: error
//# stdout: number of modules as before 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include "maps.h"

static int is_loaded(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (handle)
        dlclose(handle);
    return handle != NULL;
}

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

static void use(void *a)
{
    int (*next)(void) = (int (*)(void))dlsym(a, "a_next");
    int (*shared)(void) = (int (*)(void))dlsym(a, "shared_next");
    int first = next();
    int second = next();
    printf("a counts %d, %d; shared counts %d\n", first, second, shared());
}

int main(void)
{
    setbuf(stdout, NULL);
    int before = modules();
    void *a = dlopen("./liba.so", RTLD_NOW);
    dlopen("./liba.so", RTLD_LAZY);
    void *b = dlopen("./libb.so", RTLD_NOW);
    use(a);
    int closed = dlclose(a);
    printf("first close %d, still there %d\n", closed, is_loaded("./liba.so"));
    closed = dlclose(a);
    printf("second close %d, a there %d, shared there %d\n", closed, is_loaded("./liba.so"), is_loaded("./libshared.so"));
    printf("mapped: a %d, shared %d\n", is_mapped("/liba.so"), is_mapped("/libshared.so"));
    a = dlopen("./liba.so", RTLD_NOW);
    use(a);
    dlclose(b);
    dlclose(a);
    printf("mapped: a %d, shared %d\n", is_mapped("/liba.so"), is_mapped("/libshared.so"));
    printf("closed once more: %s\n", dlclose(a) ? "error" : "no error");
    printf("number of modules as before %d\n", modules() == before);
    return 0;
}
