// From the moment that libc runs destructors nothing is opened any more; before, in a handler of atexit, it is.
//# libc: musl
//# lib: library.c -> libone.so
//# lib: library.c -> libtwo.so
//# stdout: atexit: opened
//# stdout: destructor, what is there: Cannot dlopen while program is exiting.
//# stdout: destructor, what is not: Cannot dlopen while program is exiting.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void attempt(const char *when, const char *name)
{
    void *handle = dlopen(name, RTLD_NOW);
    printf("%s: %s\n", when, handle ? "opened" : dlerror());
}

static void at_exit(void) { attempt("atexit", "./libone.so"); }
__attribute__((destructor)) static void fini(void)
{
    attempt("destructor, what is there", "./libone.so");
    attempt("destructor, what is not", "./libtwo.so");
}

int main(void)
{
    atexit(at_exit);
    return 0;
}
