// RTLD_NEXT goes by the caller, in load order; RTLD_DEFAULT from the program on; a preloaded dlopen finds the real one.
//# libc: musl
//# lib: library.c -> libsecond.so -DNUMBER=2
//# lib: library.c -> libfirst.so -DNUMBER=1
//# lib: preloaded.c -> libpreloaded.so
//# lib: library.c -> libopened.so -DNUMBER=3
//# flags: libfirst.so libsecond.so
//# env: LD_PRELOAD=@DIR@/libpreloaded.so
//# env: THERE=yes
//# stdout: which 30
//# stdout: getenv wrapped 1
//# stdout: dlopen ./libopened.so
//# stdout: opened 30
//# stdout: default is the first 1
//# stdout: next of the program 30
//# stdout: dlsym 1
//# stdout: dlopen libc.so
//# stdout: by libc's handle 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

extern int which(void);

int main(void)
{
    printf("which %d\n", which());
    printf("getenv %s %d\n", getenv("THERE"), getenv("ABSENT") == NULL);
    void *handle = dlopen("./libopened.so", RTLD_NOW);
    printf("opened %d\n", ((int (*)(void))dlsym(handle, "which"))());
    printf("default is the first %d\n", dlsym(RTLD_DEFAULT, "which") == (void *)which);
    printf("next of the program %d\n", ((int (*)(void))dlsym(RTLD_NEXT, "which"))());
    void *dlsym_of_libc = dlsym(RTLD_DEFAULT, "dlsym");
    printf("dlsym %d\n", dlsym_of_libc == (void *)dlsym);
    printf("by libc's handle %d\n", dlsym(dlopen("libc.so", RTLD_NOW), "dlsym") == (void *)dlsym);
    return 0;
}
