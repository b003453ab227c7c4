// What a library's constructor registers with atexit runs last of all: it was registered before the loader's own end.
//# libc: glibc
//# lib: b.c -> libb.so
//# flags: libb.so
//# stdout: main
//# stdout: program's atexit
//# stdout: program's destructor
//# stdout: library's destructor
//# stdout: library's atexit
#include <stdio.h>
#include <stdlib.h>

extern int library;

static void at_exit(void) { puts("program's atexit"); }
__attribute__((destructor)) static void end(void) { puts("program's destructor"); }

int main(void)
{
    atexit(at_exit);
    puts("main");
    exit(library - 1);
}
