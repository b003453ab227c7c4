// What dlsym(RTLD_DEFAULT) finds in a library stays callable when the library is closed; what it finds by a handle does not keep the library.
//# libc: glibc
//# lib: answer.c -> libglobal.so
//# lib: answer.c -> libhandle.so
//# stdout: found by default 42, still mapped 1
//# stdout: found by handle 42, still mapped 0
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include "maps.h"

int main(void)
{
    void *handle = dlopen("./libglobal.so", RTLD_NOW | RTLD_GLOBAL);
    int (*answer)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "answer");
    dlclose(handle);
    int value = answer();
    printf("found by default %d, still mapped %d\n", value, is_mapped("/libglobal.so"));
    handle = dlopen("./libhandle.so", RTLD_NOW);
    answer = (int (*)(void))dlsym(handle, "answer");
    value = answer();
    dlclose(handle);
    printf("found by handle %d, still mapped %d\n", value, is_mapped("/libhandle.so"));
    return 0;
}
