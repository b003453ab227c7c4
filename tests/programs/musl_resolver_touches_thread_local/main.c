// IFUNC, which musl's own loader does not know: a resolver of an opened library touches thread-local data of its own, which has no block yet.
//# libc: musl
//# lib: library.c -> libcall.so -mtls-dialect=gnu
//# lib: library.c -> libdescriptor.so -mtls-dialect=gnu2
//# oracle: no
//# stdout: libcall.so: chosen for 42, 43
//# stdout: libdescriptor.so: chosen for 42, 43
#include <dlfcn.h>
#include <stdio.h>

static void open(const char *file)
{
    void *library = dlopen(file, RTLD_NOW);
    if (library == NULL) {
        puts(dlerror());
        return;
    }
    int (*chosen)(void) = (int (*)(void))dlsym(library, "chosen");
    int (*next)(void) = (int (*)(void))dlsym(library, "next");
    printf("%s: chosen for %d, %d\n", file, chosen(), next());
}

int main(void)
{
    open("libcall.so");
    open("libdescriptor.so");
    return 0;
}
