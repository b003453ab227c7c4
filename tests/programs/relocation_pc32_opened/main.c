// A library that is opened refers by a distance of 32 bits to one that was opened before, and more than 2 GiB below that are taken: it is mapped near it all the same.
//# libc: glibc
//# linkers: bfd
//# lib: a.S -> liba.so
//# lib: b.S -> libb.so -nostdlib
//# after: swap libb.so 1800000001000000 0200000001000000
//# oracle: no
//# stdout: ok
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    void *a = dlopen("./liba.so", RTLD_NOW | RTLD_GLOBAL);
    if (!a)
        return puts(dlerror());
    char *of_a = dlsym(a, "of_a");
    /* All that a mapping could be put into near it, from the largest holes to the smallest. */
    for (unsigned long size = 1ul << 33; size >= 1ul << 16; size >>= 1)
        for (int i = 0; i < 8; i++) {
            char *taken = mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (taken == MAP_FAILED)
                break;
        }
    void *b = dlopen("./libb.so", RTLD_NOW);
    if (!b)
        return puts(dlerror());
    int32_t *distance = dlsym(b, "distance");
    puts((char *)distance + *distance == of_a ? "ok" : "elsewhere");
    return 0;
}
