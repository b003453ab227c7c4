// What is opened by name is searched by the program's path, whoever opens it; what that needs, by its own path and then by the program's. The environment of the start
// counts, not what it becomes.
//# libc: musl
//# rpath: no
//# lib: which.c -> private/libprivate.so -DWHICH=private_ -DNUMBER=1
//# lib: which.c -> far/libopened.so -DWHICH=opened -DNUMBER=2
//# lib: which.c -> private/libdeep.so -DWHICH=deep -DNUMBER=3
//# lib: which.c -> late/liblate.so -DWHICH=late -DNUMBER=4
//# lib: opener.c -> far/libopener.so -Wl,-rpath,$ORIGIN/../private
//# lib: needs.c -> far/libneeds.so private/libdeep.so -Wl,-rpath,$ORIGIN/../private
//# flags: -Lfar -lopener -Wl,-rpath,$ORIGIN/far
//# stdout: a library's own path 0
//# stdout: the program's path 1
//# stdout: what is needed 3
//# stdout: a variable set later 0
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

extern int opens(const char *);

int main(void)
{
    printf("a library's own path %d\n", opens("libprivate.so"));
    printf("the program's path %d\n", opens("libopened.so"));
    void *handle = dlopen("libneeds.so", RTLD_NOW);
    printf("what is needed %d\n", handle ? ((int (*)(void))dlsym(handle, "needs"))() : -1);
    setenv("LD_LIBRARY_PATH", "late", 1);
    printf("a variable set later %d\n", opens("liblate.so"));
    return 0;
}
