// Constructors may open libraries, of a start and of a dlopen; what they open is finalised when its turn comes.
//# libc: musl
//# lib: plug.c -> libplug.so
//# lib: opener.c -> libopener.so
//# flags: libopener.so
//# stdout: plug's constructor
//# stdout: constructor: plug 4
//# stdout: a thread opens it
//# stdout: main constructor
//# stdout: main
//# stdout: main destructor
//# stdout: plug's destructor
//# stdout: opener's destructor
#include <stdio.h>

__attribute__((constructor)) static void init(void) { printf("main constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("main destructor\n"); }

int main(void)
{
    printf("main\n");
    return 0;
}
