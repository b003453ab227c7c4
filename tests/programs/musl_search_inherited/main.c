// The program's DT_RUNPATH counts for the dependencies of its libraries too, after their own; LD_LIBRARY_PATH comes before both, in its order.
//# libc: musl
//# rpath: no
//# lib: which.c -> far/libdeep.so -DWHICH=deep -DNUMBER=1
//# lib: which.c -> own/libown.so -DWHICH=own -DNUMBER=2
//# lib: which.c -> far/libown.so -DWHICH=own -DNUMBER=3
//# lib: middle.c -> far/libmiddle.so far/libdeep.so -Wl,-soname,libmiddle.so
//# lib: which.c -> first/libvariable.so -DWHICH=variable -DNUMBER=4
//# lib: which.c -> second/libvariable.so -DWHICH=variable -DNUMBER=5
//# lib: which.c -> far/libvariable.so -DWHICH=variable -DNUMBER=6 -Wl,-soname,libvariable.so
//# lib: ask.c -> far/libask.so own/libown.so -Wl,-rpath,$ORIGIN/../own
//# flags: -Lfar -lmiddle -lask -lvariable -Wl,-rpath-link,own -Wl,-rpath,$ORIGIN/far -Wl,--enable-new-dtags
//# env: LD_LIBRARY_PATH=@DIR@/absent:@DIR@/first:@DIR@/second
//# stdout: by the program's path 1
//# stdout: by its own path first 2
//# stdout: by the variable 4
#include <stdio.h>

extern int middle(void), ask(void), variable(void);

int main(void)
{
    printf("by the program's path %d\n", middle());
    printf("by its own path first %d\n", ask());
    printf("by the variable %d\n", variable());
    return 0;
}
