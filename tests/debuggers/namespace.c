// Opens a library in a namespace of its own, fails to open another one there, and closes the first.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

static __attribute__((noinline)) void stop_here(int turn) { __asm__("" ::"r"(turn)); }

int main(void) {
    void *library = dlmopen(LM_ID_NEWLM, "./other.so", RTLD_NOW);
    if (!library) return puts(dlerror());
    stop_here(1);
    Lmid_t own;
    if (dlinfo(library, RTLD_DI_LMID, &own) || dlmopen(own, "./missing.so", RTLD_NOW)) return 3;
    int (*work)(int) = (int (*)(int))dlsym(library, "work");
    printf("%d\n", work(1));
    if (dlclose(library)) return 2;
    stop_here(2);
    return 0;
}
