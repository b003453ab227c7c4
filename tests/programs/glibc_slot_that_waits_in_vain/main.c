// A function of a long table that is nowhere: whoever does not call it runs, and its call ends the process with the familiar line.
//# libc: glibc
//# lib: a.c -> liba.so
//# lib: b.c -> libb.so -Wl,-z,lazy liba.so
//# flags: libb.so liba.so -Wl,--allow-shlib-undefined
//# bind: lazy
//# stdout: 299
//# exit: 127
//# stderr: symbol lookup error:
//# stderr: libb.so: undefined symbol: nobody_has_this
#include <stdio.h>

extern int sum(void), calls(void);

int main(void)
{
    printf("%d\n", sum() - 1);
    fflush(stdout);
    return calls();
}
