// Resolvers of the program and of a library, which are called before anything else of them, find a libc that has started: they allocate, and what they keep is used and
// given back by main.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: liblibrary.so
//# oracle: no
//# stdout: 42, 8
//# stdout: kept by library, kept by program
//# stdout: opened again
#include <dlfcn.h>

#include "allocate.h"

extern int chosen(void);
extern const char *kept_by_library(void);

static int good(void) { return 8; }
static int bad(void) { return 2; }
static void *choose(void) { return allocate("program") ? (void *)good : (void *)bad; }
int own(void) __attribute__((ifunc("choose")));

int main(void)
{
    printf("%d, %d\n", chosen(), own());
    printf("%s, %s\n", kept_by_library(), kept);
    free(kept);
    free((char *)kept_by_library());
    puts(dlopen("liblibrary.so", RTLD_NOW) ? "opened again" : dlerror());
    return 0;
}
