// Functions that a library registers with atexit run before its destructors, and all of them after the program's own.
//# libc: glibc
//# lib: b.c -> libb.so
//# flags: libb.so
//# stdout: main
//# stdout: program's atexit
//# stdout: library's atexit
//# stdout: program's destructor
//# stdout: library's destructor
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
