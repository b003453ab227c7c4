// RTLD_LAZY leaves slots open that nobody can fill yet, and a later dlopen with RTLD_GLOBAL fills them. RTLD_NOW, and a library that asks for it, fail.
//# libc: musl
//# lib: there.c -> libthere.so
//# lib: needs.c -> libneeds.so -Wl,-z,lazy libthere.so
//# lib: needs.c -> libneedsnow.so -Wl,-z,now libthere.so
//# lib: later.c -> liblater.so
//# stdout: now: Error relocating ./libneeds.so: later: symbol not found
//# stdout: lazy, but it asks for now: Error relocating ./libneedsnow.so: later: symbol not found
//# stdout: what is there 11
//# stdout: what came 77
//# signal: 11
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    void *handle = dlopen("./libneeds.so", RTLD_NOW);
    printf("now: %s\n", handle ? "opened" : dlerror());
    handle = dlopen("./libneedsnow.so", RTLD_LAZY);
    printf("lazy, but it asks for now: %s\n", handle ? "opened" : dlerror());
    handle = dlopen("./libneeds.so", RTLD_LAZY);
    if (!handle)
        return puts(dlerror()), 1;
    printf("what is there %d\n", ((int (*)(void))dlsym(handle, "call_there"))());
    dlopen("./liblater.so", RTLD_NOW | RTLD_GLOBAL);
    printf("what came %d\n", ((int (*)(void))dlsym(handle, "call_later"))());
    fflush(stdout);
    return ((int (*)(void))dlsym(handle, "call_weak"))();
}
