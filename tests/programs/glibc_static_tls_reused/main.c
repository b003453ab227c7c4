// A library that wants static TLS is opened and closed 500 times: its part of the surplus is used again, and every thread sees fresh values.
//# libc: glibc
//# lib: quick.c -> libquick.so -ftls-model=initial-exec
//# flags: -pthread
//# stdout: opened 500 times, wrong values 0
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t barrier;
static int *(*volatile place)(void);
static int wrong;

static void *live(void *nothing)
{
    for (int round = 0; round < 500; round++) {
        pthread_barrier_wait(&barrier);
        if (*place() != 11)
            __sync_fetch_and_add(&wrong, 1);
        *place() = 0;
        pthread_barrier_wait(&barrier);
    }
    return nothing;
}

int main(void)
{
    pthread_t thread;
    int opened = 0;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, live, NULL);
    for (int round = 0; round < 500; round++) {
        void *handle = dlopen("./libquick.so", RTLD_NOW);
        if (!handle) {
            puts(dlerror());
            return 1;
        }
        opened++;
        place = (int *(*)(void))dlsym(handle, "place");
        pthread_barrier_wait(&barrier);
        if (*place() != 11)
            __sync_fetch_and_add(&wrong, 1);
        *place() = 0;
        pthread_barrier_wait(&barrier);
        dlclose(handle);
    }
    pthread_join(thread, NULL);
    printf("opened %d times, wrong values %d\n", opened, wrong);
    return 0;
}
