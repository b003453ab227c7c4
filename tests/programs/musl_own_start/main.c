// A program with a _start of its own that never calls __libc_start_main: no constructor runs, as under musl, and libc can be used.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: -nostartfiles liblibrary.so
//# stdout: started
//# exit: 42
#include <unistd.h>

extern int answer(void);
static __thread int own = 3;

static void with_stack(void)
{
    if (own != 3)
        _exit(1);
    write(1, "started\n", 8);
    _exit(answer());
}

__attribute__((naked)) void _start(void) { __asm__("and $-16, %%rsp\n call *%0" : : "r"(with_stack)); }
