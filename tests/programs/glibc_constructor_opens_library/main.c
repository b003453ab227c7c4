// A constructor that opens a library gets it initialised at once. At the end the one that was asked for later counts as the
// deeper one: its destructor runs last.
//# libc: glibc
//# lib: inner.c -> libinner.so
//# lib: outer.c -> libouter.so
//# flags: libouter.so
//# stdout: outer begins
//# stdout: inner constructed
//# stdout: inner says 7
//# stdout: outer ends
//# stdout: main
//# stdout: atexit
//# stdout: outer destroyed
//# stdout: inner destroyed
#include <stdio.h>
#include <stdlib.h>

extern int outer;

static void at_exit(void) { puts("atexit"); }

int main(void)
{
    atexit(at_exit);
    puts("main");
    return outer - 1;
}
