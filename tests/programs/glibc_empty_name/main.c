// The empty name is the program's, and means nothing in a namespace of its own; a null pointer means the program everywhere.
//# libc: glibc
//# bind: lazy
//# lib: inside.c -> libinside.so
//# stdout: base: empty 1, null 1, same 1
//# stdout: inside: empty 0, null 1
//# stdout: dlmopen: base 1, own 0, new 0, new null 0
//# stdout: inside: empty 0, null 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    void *empty = dlopen("", RTLD_NOW), *null = dlopen(NULL, RTLD_NOW);
    setbuf(stdout, NULL);
    printf("base: empty %d, null %d, same %d\n", empty != NULL, null != NULL, empty == null);
    void *library = dlmopen(LM_ID_NEWLM, "./libinside.so", RTLD_NOW);
    void (*inside)(void) = (void (*)(void))dlsym(library, "inside");
    inside();
    Lmid_t own = LM_ID_BASE;
    dlinfo(library, RTLD_DI_LMID, &own);
    printf("dlmopen: base %d, own %d, new %d, new null %d\n", dlmopen(LM_ID_BASE, "", RTLD_NOW) == null,
           dlmopen(own, "", RTLD_NOW) != NULL, dlmopen(LM_ID_NEWLM, "", RTLD_NOW) != NULL,
           dlmopen(LM_ID_NEWLM, NULL, RTLD_NOW) != NULL);
    inside();
    return 0;
}
