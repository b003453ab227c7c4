// Two hundred libraries with thread-local data are opened while threads live whose tables of blocks were made for a few (BZ 13862, 17090, 17620);
// each thread finds all of them, touched in another order. Then every second one goes, and as many come with their numbers.
//# libc: glibc
//# bind: lazy
//# lib: value.c -> libvalue.so
//# lib: value.c -> libdescriptor.so -mtls-dialect=gnu2
//# flags: -pthread
//# stdout: opened 200, wrong values 0
//# stdout: opened 300, wrong values 0
#include "copies.h"
#include <pthread.h>

enum { COPIES = 200, THREADS = 4 };

static pthread_barrier_t barrier;
static void *handles[COPIES];
static int *(*places[COPIES])(void);
static int opened, wrong;

static void open_one(int number)
{
    handles[number] = open_copy(number % 2 ? "libvalue.so" : "libdescriptor.so", RTLD_NOW);
    if (!handles[number]) {
        puts(dlerror());
        return;
    }
    opened++;
    places[number] = (int *(*)(void))dlsym(handles[number], "place");
}

static void look(long thread, int round)
{
    static const int steps[THREADS] = {1, 3, 7, 199};
    for (int i = 0; i < COPIES; i++) {
        int number = i * steps[thread] % COPIES;
        int *value = places[number]();
        int is_fresh = number % 2 == 0 || round == 0;
        if (value[0] != (is_fresh ? 3 : 100 + thread) || value[1] != 2 || value[2] != 1)
            __sync_fetch_and_add(&wrong, 1);
        value[0] = 100 + thread;
    }
}

static void *live(void *number)
{
    for (int round = 0; round < 2; round++) {
        pthread_barrier_wait(&barrier);
        look((long)number, round);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void let_them_look(void)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    printf("opened %d, wrong values %d\n", opened, wrong);
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, live, (void *)i);
    for (int i = 0; i < COPIES; i++)
        open_one(i);
    let_them_look();
    for (int i = 0; i < COPIES; i += 2)
        dlclose(handles[i]);
    for (int i = 0; i < COPIES; i += 2)
        open_one(i);
    let_them_look();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
