// Calls without a PLT to a function that a resolver chooses (lld: -z ifunc-noplt), with leave: each call site leads straight to the implementation, and the
// code is not writable. (glibc's loader does not know the type of the relocations.)
//# libc: glibc
//# linkers: lld
//# lib: chosen.c -> libchosen.so -Wl,-z,ifunc-noplt,-z,notext
//# flags: libchosen.so
//# oracle: no
//# env: LODE_OPTIONS=allow=ifunc-noplt
//# stdout: 12 202
//# stdout: a call leads to the implementation
//# stdout: r-x
#include <stdio.h>
#include <stdint.h>
#include <string.h>

int calls(void);
int calls_twice(void);
extern int (*const implementations[])(void);

/* The target of the first near call in a function. */
static const void *target(const unsigned char *code) {
    int32_t distance;
    while (*code != 0xe8)
        code++;
    memcpy(&distance, code + 1, 4);
    return code + 5 + distance;
}

int main(void) {
    printf("%d %d\n", calls(), calls_twice());
    if (target((const void *)calls) == (const void *)implementations[1])
        puts("a call leads to the implementation");
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], access[8];
    uintptr_t start, end, code = (uintptr_t)calls;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %3s", &start, &end, access) == 3 && start <= code && code < end)
            puts(access);
}
