// The loader has symbols of functions that valgrind looks for by name. No program finds them there: its own strlen and index are libc's, and the
// loader's handle has none.
//# libc: glibc
//# stdout: loader is there
//# stdout: strlen (nil) index (nil)
//# stdout: from libc 1 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int is_of_libc(const char *name)
{
    Dl_info info;
    return dladdr(dlsym(RTLD_DEFAULT, name), &info) && strstr(info.dli_fname, "libc.so") != NULL;
}

int main(void)
{
    void *loader = dlopen("ld-linux-x86-64.so.2", RTLD_NOW | RTLD_NOLOAD);
    if (loader)
        puts("loader is there");
    printf("strlen %p index %p\n", dlsym(loader, "strlen"), dlsym(loader, "index"));
    printf("from libc %d %d\n", is_of_libc("strlen"), is_of_libc("index"));
    return 0;
}
