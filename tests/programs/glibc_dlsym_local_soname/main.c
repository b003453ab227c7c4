// A library that stays local is not found by what it defines, even if its soname is the name of the symbol, and the table of the global scope is what is asked.
//# libc: glibc
//# lib: answer.c -> liblocal.so -DANSWER=42 -Wl,-soname,answer
//# lib: answer.c -> libglobal.so -DANSWER=7
//# lib: filler.c -> libfiller1.so
//# lib: filler.c -> libfiller2.so
//# lib: filler.c -> libfiller3.so
//# lib: filler.c -> libfiller4.so
//# lib: filler.c -> libfiller5.so
//# lib: filler.c -> libfiller6.so
//# lib: filler.c -> libfiller7.so
//# lib: filler.c -> libfiller8.so
//# lib: filler.c -> libfiller9.so
//# lib: filler.c -> libfiller10.so
//# lib: filler.c -> libfiller11.so
//# lib: filler.c -> libfiller12.so
//# lib: filler.c -> libfiller13.so
//# lib: filler.c -> libfiller14.so
//# lib: filler.c -> libfiller15.so
//# lib: filler.c -> libfiller16.so
//# lib: filler.c -> libfiller17.so
//# lib: filler.c -> libfiller18.so
//# lib: many.c -> libmany1.so
//# lib: many.c -> libmany2.so
//# flags: -Wl,--no-as-needed libfiller1.so libfiller2.so libfiller3.so libfiller4.so libfiller5.so libfiller6.so libfiller7.so libfiller8.so libfiller9.so libfiller10.so libfiller11.so libfiller12.so libfiller13.so libfiller14.so libfiller15.so libfiller16.so libfiller17.so libfiller18.so
//# stdout: found 0
//# stdout: found 7
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

static void find(void)
{
    int (*answer)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "answer");
    printf("found %d\n", answer ? answer() : 0);
}

int main(void)
{
    dlopen("./libmany1.so", RTLD_NOW);
    dlopen("./libmany2.so", RTLD_NOW);
    if (!dlopen("./liblocal.so", RTLD_NOW))
        puts(dlerror());
    find();
    if (!dlopen("./libglobal.so", RTLD_NOW | RTLD_GLOBAL))
        puts(dlerror());
    find();
    return 0;
}
