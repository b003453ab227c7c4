// A library with more thread-local data than the process may have is opened, as nobody knows whether the data is ever used. The first touch, which has no way to
// fail, ends the process with the reason, and lode names the library.
//# libc: glibc
//# lib: library.c -> libhuge.so
//# exit: 127
//# stdout: opened
//# stderr: cannot allocate memory for thread-local data
//# lode-stderr: /libhuge.so: cannot allocate memory for thread-local data
#include <dlfcn.h>
#include <stdio.h>
#include <sys/resource.h>

int main(void)
{
    struct rlimit limit = {1 << 29, 1 << 29};
    setrlimit(RLIMIT_AS, &limit);
    void *library = dlopen("libhuge.so", RTLD_NOW);
    if (library == NULL) {
        puts(dlerror());
        return 1;
    }
    puts("opened");
    fflush(stdout);
    char *(*touch)(void) = (char *(*)(void))dlsym(library, "touch");
    *touch() = 1;
    puts("touched");
    return 0;
}
