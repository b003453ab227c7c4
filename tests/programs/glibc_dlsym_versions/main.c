// dlsym takes the default version, dlvsym the one it names, and a link-time reference without a version the first.
//# libc: glibc
//# lib: b.c -> libb.so -Wl,--version-script=@SOURCE@/b.map
//# flags: -ldl
//# stdout: dlsym new
//# stdout: dlvsym OLD old
//# stdout: dlvsym NEW new
//# stdout: dlvsym NONE none
//# stdout: default new
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

typedef const char *(*named)(void);

static void show(const char *label, void *found)
{
    printf("%s %s\n", label, found ? ((named)found)() : "none");
}

int main(void)
{
    void *handle = dlopen("libb.so", RTLD_NOW | RTLD_GLOBAL);
    if (!handle) {
        puts(dlerror());
        return 1;
    }
    show("dlsym", dlsym(handle, "name"));
    show("dlvsym OLD", dlvsym(handle, "name", "OLD"));
    show("dlvsym NEW", dlvsym(handle, "name", "NEW"));
    show("dlvsym NONE", dlvsym(handle, "name", "NONE"));
    show("default", dlsym(RTLD_DEFAULT, "name"));
    return 0;
}
