// Thread-local data of alignments up to 64 KiB and of no size at all, in libraries of the start and in opened ones, in old and in new threads.
//# libc: glibc
//# bind: lazy
//# lib: block.c -> libblock0.so -DSIZE=1 -DALIGN=1
//# lib: block.c -> libblock1.so -DSIZE=64 -DALIGN=64
//# lib: block.c -> libblock2.so -DSIZE=3 -DALIGN=4096
//# lib: block.c -> libblock3.so -DSIZE=100 -DALIGN=16384
//# lib: block.c -> libblock4.so -DSIZE=5 -DALIGN=65536
//# lib: block.c -> libstart0.so -DSIZE=3 -DALIGN=4096
//# lib: block.c -> libstart1.so -DSIZE=100 -DALIGN=16384
//# lib: block.c -> libstart2.so -DSIZE=5 -DALIGN=65536
//# lib: none.c -> libnone.so
//# flags: libstart0.so libstart1.so libstart2.so -pthread
//# stdout: right 243 of 243
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { LIBRARIES = 9, THREADS = 26 };

static const char *const names[LIBRARIES] = {"./libblock0.so", "./libblock1.so", "./libblock2.so", "./libblock3.so", "./libblock4.so", "./libnone.so", "./libstart0.so", "./libstart1.so", "./libstart2.so"};
static int (*checks[LIBRARIES])(void);
static int right;
static pthread_barrier_t barrier;

static void *look(void *wait)
{
    if (wait)
        pthread_barrier_wait(&barrier);
    for (int i = 0; i < LIBRARIES; i++)
        __sync_fetch_and_add(&right, checks[i]());
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS / 2 + 1);
    for (int i = 0; i < THREADS / 2; i++)
        pthread_create(&threads[i], NULL, look, &barrier);
    for (int i = 0; i < LIBRARIES; i++) {
        void *handle = dlopen(names[i], RTLD_NOW);
        if (!handle)
            return puts(dlerror()), 1;
        checks[i] = (int (*)(void))dlsym(handle, "is_right");
    }
    pthread_barrier_wait(&barrier);
    for (int i = THREADS / 2; i < THREADS; i++)
        pthread_create(&threads[i], NULL, look, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    look(NULL);
    printf("right %d of %d\n", right, LIBRARIES * (THREADS + 1));
    return 0;
}
