// Stands before libc and the loader's functions, and calls them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

char *getenv(const char *name)
{
    char *(*next)(const char *) = dlsym(RTLD_NEXT, "getenv");
    return next(name) ? "wrapped" : NULL;
}
void *dlopen(const char *name, int mode)
{
    void *(*next)(const char *, int) = dlsym(RTLD_NEXT, "dlopen");
    printf("dlopen %s\n", name ? name : "nothing");
    return next(name, mode);
}
