// As musl_resolver_allocates, where the program has malloc of its own, with thread-local data: its resolver calls that, and libc's functions do so too.
//# libc: musl
//# flags-bfd: -no-pie
//# oracle: no
//# stdout: 8
//# stdout: kept by program
//# stdout: by the program's own 1, in the resolver 1
#include <stddef.h>
#include <stdint.h>

#include "../musl_resolver_allocates/allocate.h"

static char arena[8 << 20] __attribute__((aligned(16)));
static size_t used;
static __thread int calls;

static int is_own(const void *block) { return (uintptr_t)block - (uintptr_t)arena < sizeof arena; }

void *malloc(size_t size)
{
    calls++;
    size = (size + 31) & ~(size_t)15;
    if (size > sizeof arena - used) {
        errno = ENOMEM;
        return 0;
    }
    size_t *block = (size_t *)(arena + used);
    used += size;
    *block = size - 16;
    return block + 2;
}

void *calloc(size_t count, size_t size) { return malloc(count * size); }

void *realloc(void *block, size_t size)
{
    void *other = malloc(size);
    if (block && other)
        memcpy(other, block, ((size_t *)block)[-2] < size ? ((size_t *)block)[-2] : size);
    return other;
}

void free(void *block) { (void)block; }

static int calls_of_resolver;
static int good(void) { return 8; }
static int bad(void) { return 2; }
static void *choose(void)
{
    int is_good = allocate("program");
    calls_of_resolver = calls;
    return is_good ? (void *)good : (void *)bad;
}
int own(void) __attribute__((ifunc("choose")));

int main(void)
{
    printf("%d\n%s\n", own(), kept);
    printf("by the program's own %d, in the resolver %d\n", is_own(kept), calls_of_resolver > 300);
    return 0;
}
