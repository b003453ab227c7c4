// exit in a constructor: the destructors of those libraries run whose constructors are through, and no others.
//# libc: musl
//# lib: part.c -> libfirst.so -DNAME="first"
//# lib: part.c -> libexits.so -DNAME="exits" -DEXITS libfirst.so
//# lib: part.c -> libbefore.so -DNAME="before"
//# lib: part.c -> libnever.so -DNAME="never"
//# flags: libbefore.so libexits.so libnever.so
//# stdout: before constructor
//# stdout: first constructor
//# stdout: exits constructor
//# stdout: exits atexit
//# stdout: first atexit
//# stdout: before atexit
//# stdout: first destructor
//# stdout: before destructor
//# exit: 5
#include <stdio.h>

__attribute__((constructor)) static void init(void) { printf("main constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("main destructor\n"); }

int main(void)
{
    printf("main\n");
    return 0;
}
