// exit in the constructor of a library that is being opened: all that were through before get their destructors.
//# libc: musl
//# lib: needed.c -> libneeded.so
//# lib: exits.c -> libexits.so libneeded.so
//# stdout: needed constructor
//# stdout: opened constructor
//# stdout: needed destructor
//# stdout: main destructor
//# exit: 6
#include <dlfcn.h>
#include <stdio.h>

__attribute__((destructor)) static void fini(void) { printf("main destructor\n"); }

int main(void)
{
    dlopen("./libexits.so", RTLD_NOW);
    printf("not reached\n");
    return 0;
}
