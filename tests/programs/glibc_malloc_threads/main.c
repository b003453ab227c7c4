// malloc in many threads at once, with blocks freed by others: arenas, the thread cache, its end.
//# libc: glibc
//# stdout: ok
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 20000, SLOTS = 512 };
static void *slots[SLOTS];
static int bad;

static void *work(void *seed)
{
    unsigned state = (unsigned)(long)seed * 2654435761u + 1;
    for (int i = 0; i < ROUNDS; i++) {
        state = state * 1664525u + 1013904223u;
        size_t size = 16 + (state >> 8) % ((i % 100 == 0) ? 200000 : 2000);
        unsigned char *block = malloc(size);
        memset(block, (int)size, size);
        *(size_t *)block = size;
        block = __atomic_exchange_n(&slots[state % SLOTS], block, __ATOMIC_ACQ_REL);
        if (block) {
            size_t old = *(size_t *)block;
            if (old < 16 || old > 200016 || block[old - 1] != (unsigned char)old)
                bad = 1;
            free(block);
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    puts(bad ? "corrupt" : "ok");
    return bad;
}
