// Libraries that are not there: musl's words, status 127, and nothing of the program runs.
//# libc: musl
//# lib: b.c -> libb.so
//# lib: b.c -> libd.so -Danswer=other
//# lib: c.c -> libc_.so libb.so
//# flags: libc_.so libd.so
//# after: rm libb.so
//# after: rm libd.so
//# exit: 127
//# stderr: Error loading shared library libd.so: No such file or directory (needed by 
//# stderr: Error loading shared library libb.so: No such file or directory (needed by 
#include <stdio.h>

extern int ask(void), other(void);
__attribute__((constructor)) static void init(void) { printf("constructor\n"); }

int main(void)
{
    printf("%d\n", ask() + other());
    return 0;
}
