// A library goes and another one gets its TLS number while threads live that have blocks of the first: they see fresh values.
//# libc: glibc
//# lib: value.c -> libone.so -DVALUE=1
//# lib: value.c -> libtwo.so -DVALUE=2
//# lib: value.c -> libdesc.so -DVALUE=3 -mtls-dialect=gnu2
//# lib: value.c -> libstays.so -DVALUE=100
//# flags: -pthread
//# stdout: wrong values 0
//# stdout: the library that stays has 1200 in each thread
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 60 };

static pthread_barrier_t barrier;
static int *(*volatile place)(void);
static int *(*stays)(void);
static volatile int expected;
static int wrong, sums[THREADS];

static void *live(void *number)
{
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        int *value = place();
        if (*value != expected || value[64] != 0)
            __sync_fetch_and_add(&wrong, 1);
        *value = -1;
        value[64] = -1;
        *stays() += round % 3 == 0 ? 55 : 0;
        pthread_barrier_wait(&barrier);
    }
    sums[(long)number] = *stays();
    return NULL;
}

int main(void)
{
    static const char *const names[] = {"./libone.so", "./libtwo.so", "./libdesc.so"};
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    stays = (int *(*)(void))dlsym(dlopen("./libstays.so", RTLD_NOW), "place");
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, live, (void *)i);
    for (int round = 0; round < ROUNDS; round++) {
        void *handle = dlopen(names[round % 3], RTLD_NOW);
        place = (int *(*)(void))dlsym(handle, "place");
        expected = round % 3 + 1;
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        dlclose(handle);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int same = 1;
    for (int i = 0; i < THREADS; i++)
        same &= sums[i] == sums[0];
    printf("wrong values %d\n", wrong);
    printf("the library that stays has %d in each thread\n", same ? sums[0] : -1);
    return 0;
}
