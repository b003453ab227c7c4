// What a resolver does with libc's memory, before the program's start and before any constructor.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *kept;

static int allocate(const char *who)
{
    char *small = malloc(20), *large = calloc(1, 1 << 20);
    if (!small || !large || large[1 << 19])
        return 0;
    large = realloc(large, 1 << 21);
    for (int i = 1; i < 300; i++) {
        char *one = malloc(i * 7);
        memset(one, 0xee, i * 7);
        free(one);
    }
    snprintf(small, 20, "kept by %s", who);
    kept = strdup(small);
    free(small);
    free(large);
    errno = 0;
    return malloc((size_t)-1 / 2) == 0 && errno == ENOMEM;
}
