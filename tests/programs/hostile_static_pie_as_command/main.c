// A static PIE relocates itself: lode maps it and leaves the rest to it. glibc relocates it first, and it crashes.
//# libc: glibc
//# flags: -static-pie -Wl,--no-dynamic-linker
//# rpath: no
//# modes: command
//# oracle: no
//# stdout: 7 main 8
#include <stdio.h>

static int value = 7;
static int *volatile pointer = &value;
static _Thread_local int local = 8;

int main(int argc, char **argv)
{
    printf("%d %s %d\n", *pointer, argc == 1 ? "main" : "?", local);
    return 0;
}
