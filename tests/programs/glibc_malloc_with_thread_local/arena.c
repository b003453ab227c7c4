// A malloc whose state is thread-local: each thread takes from its own piece. It is asked by whoever makes room for thread-local data, too.
#include <stddef.h>
#include <string.h>

static char pool[256 << 20];
static size_t taken;
static __thread char *next, *end;
static __thread long calls = 1000, inside;
static int nested;

void *malloc(size_t size)
{
    calls++;
    if (inside++)
        __sync_fetch_and_add(&nested, 1);
    size = (size + 31) & ~15ul;
    if ((size_t)(end - next) < size) {
        size_t piece = size > 65536 ? size : 65536;
        next = pool + __sync_fetch_and_add(&taken, piece);
        end = next + piece;
    }
    char *block = next;
    next += size;
    *(size_t *)block = size - 16;
    inside--;
    return block + 16;
}

void free(void *block) { calls++; }

void *calloc(size_t count, size_t size) { return memset(malloc(count * size), 0, count * size); }

void *realloc(void *old, size_t size)
{
    void *new = malloc(size);
    if (old) {
        size_t length = ((size_t *)old)[-2];
        memcpy(new, old, length < size ? length : size);
    }
    return new;
}

void *aligned_alloc(size_t align, size_t size)
{
    char *block = malloc(size + align);
    return (void *)(((unsigned long)block + align - 1) & -align);
}

void *memalign(size_t align, size_t size) { return aligned_alloc(align, size); }

int posix_memalign(void **place, size_t align, size_t size)
{
    *place = aligned_alloc(align, size);
    return 0;
}

long calls_of_this_thread(void) { return calls; }
int nested_calls(void) { return nested; }
