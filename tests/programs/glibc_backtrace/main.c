// backtrace() from a library's constructor walks through the loader's own frames to the process's entry.
//# libc: glibc
//# lib: b.c -> libb.so -fasynchronous-unwind-tables
//# flags: libb.so -Wl,--export-dynamic
//# stdout: constructor: ok
//# stdout: main: ok
#include <execinfo.h>
#include <stdio.h>
extern int library_loaded;
int main(void)
{
    void *frames[64];
    int count = backtrace(frames, 64);
    printf("main: %s\n", count >= 3 && library_loaded ? "ok" : "cut short");
    return 0;
}
