// Initialised before liblate.so, which it opens.
#include <dlfcn.h>
#include <stdio.h>
__attribute__((constructor)) static void come(void)
{
    setbuf(stdout, NULL);
    puts("+ early begins");
    void *library = dlopen("./liblate.so", RTLD_NOW);
    int (*late)(void) = library ? (int (*)(void))dlsym(library, "late") : NULL;
    printf("+ early ends, late %d\n", late ? late() : -1);
}
