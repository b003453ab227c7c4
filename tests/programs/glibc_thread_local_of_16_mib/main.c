// A hundred threads that live at the same time have 16 MiB of thread-local data each, of an opened library. Memory that no thread touches is not
// taken: the whole needs far less than 1.6 GB. The system's loader is not asked: it writes zeros to all of it.
//# libc: glibc
//# lib: large.c -> liblarge.so
//# flags: -pthread
//# oracle: no
//# bind: lazy
//# modes: interp
//# stdout: right 200, little memory 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

enum { THREADS = 100 };

static int (*touch)(void);
static int right;
static pthread_barrier_t barrier;

static void *live(void *nothing)
{
    __sync_fetch_and_add(&right, touch() == 5);
    pthread_barrier_wait(&barrier);
    __sync_fetch_and_add(&right, touch() == 8);
    return nothing;
}

int main(void)
{
    struct rusage usage;
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    touch = (int (*)(void))dlsym(dlopen("./liblarge.so", RTLD_NOW), "touch");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, live, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    getrusage(RUSAGE_SELF, &usage);
    printf("right %d, little memory %d\n", right, usage.ru_maxrss < 400 << 10);
    return 0;
}
