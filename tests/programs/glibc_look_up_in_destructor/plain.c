#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

int own(void) { return 7; }

static int count(struct dl_phdr_info *info, size_t size, void *data)
{
    ++*(int *)data;
    return 0;
}

static int call(void *handle, const char *name)
{
    int (*function)(void) = (int (*)(void))dlsym(handle, name);
    return function ? function() : -1;
}

__attribute__((destructor)) static void end(void)
{
    Dl_info info;
    int modules = 0;
    dl_iterate_phdr(count, &modules);
    printf("default: own %d, needed %d\n", call(RTLD_DEFAULT, "own"), call(RTLD_DEFAULT, "needed"));
    printf("next: needed %d, own %d\n", call(RTLD_NEXT, "needed"), call(RTLD_NEXT, "own"));
    printf("address: own %d, modules %d\n", dladdr((void *)own, &info) && info.dli_saddr == (void *)own, modules > 4);
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    printf("libc: strlen %d\n", libc && dlsym(libc, "strlen") != NULL);
    dlclose(libc);
}
