// A function has one address, also where it is a slot of a program at a fixed address (an undefined symbol with a value).
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: -fno-pie -no-pie liblibrary.so -Wl,--export-dynamic
//# stdout: library's function 1 42
//# stdout: libc's function 1
//# stdout: call back 9
//# stdout: looked up 1
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

extern int answer(void), call(void);
extern void *address_of_answer(void), *address_of_qsort(void);
int called_back(void) { return 9; }

int main(void)
{
    printf("library's function %d %d\n", (void *)answer == address_of_answer(), answer());
    printf("libc's function %d\n", (void *)qsort == address_of_qsort());
    printf("call back %d\n", call());
    printf("looked up %d\n", dlsym(RTLD_DEFAULT, "answer") == (void *)answer);
    return 0;
}
