// A dlopen, a dlsym that finds nothing and a dlclose, each in a function of its own, so that a profiler can say what each takes.
//
// work OPENED NAME GLOBAL...: opens OPENED, then each GLOBAL for everybody, looks NAME up among all and closes the last one. Succeeds if the name was not found.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *opened(void *handle)
{
    if (!handle) {
        puts(dlerror());
        exit(2);
    }
    return handle;
}

__attribute__((noipa)) void open_one(const char *file) { opened(dlopen(file, RTLD_NOW)); }

__attribute__((noipa)) int find(const char *name) { return dlsym(RTLD_DEFAULT, name) != NULL; }

__attribute__((noipa)) int close_one(void *handle) { return dlclose(handle) != 0; }

int main(int count, char **arguments)
{
    void *last = NULL;
    open_one(arguments[1]);
    for (int i = 3; i < count; i++)
        last = opened(dlopen(arguments[i], RTLD_NOW | RTLD_GLOBAL));
    int wrong = find(arguments[2]);
    return close_one(last) || wrong;
}
