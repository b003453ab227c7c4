// In a namespace of its own a library forks, after a constructor of its batch has opened the batch once more: its libc is woken once.
//# libc: glibc
//# lib: low.c -> liblow.so
//# lib: top.c -> libtop.so -L. -llow -Wl,-rpath,$ORIGIN
//# stdout: opened once more 1
//# stdout: child 7
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    alarm(20);
    void *top = dlmopen(LM_ID_NEWLM, "./libtop.so", RTLD_NOW);
    if (!top)
        puts(dlerror());
    printf("opened once more %d\n", ((int (*)(void))dlsym(top, "opened_once_more"))());
    printf("child %d\n", ((int (*)(void))dlsym(top, "fork_and_wait"))());
    return 0;
}
