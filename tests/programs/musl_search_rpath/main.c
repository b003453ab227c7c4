// DT_RPATH without DT_RUNPATH is the same to musl; both stand after LD_LIBRARY_PATH. What is opened is searched by the opener's path.
//# libc: musl
//# rpath: no
//# lib: ../musl_search_inherited/which.c -> first/libone.so -DWHICH=one -DNUMBER=1
//# lib: ../musl_search_inherited/which.c -> far/libone.so -DWHICH=one -DNUMBER=2
//# lib: ../musl_search_inherited/which.c -> far/libtwo.so -DWHICH=two -DNUMBER=3
//# lib: ../musl_search_inherited/which.c -> far/libopened.so -DWHICH=opened -DNUMBER=4
//# flags: -Lfar -lone -ltwo -Wl,-rpath,${ORIGIN}/far -Wl,--disable-new-dtags
//# env: LD_LIBRARY_PATH=@DIR@/first
//# stdout: the variable stands before 1
//# stdout: the path of the program 3
//# stdout: opened by name 4
#include <dlfcn.h>
#include <stdio.h>

extern int one(void), two(void);

int main(void)
{
    printf("the variable stands before %d\n", one());
    printf("the path of the program %d\n", two());
    void *handle = dlopen("libopened.so", RTLD_NOW);
    printf("opened by name %d\n", handle ? ((int (*)(void))dlsym(handle, "opened"))() : -1);
    return 0;
}
