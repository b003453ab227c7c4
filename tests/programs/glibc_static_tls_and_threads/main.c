// Libraries with initial-exec TLS are opened and closed while threads come and go: their images go to threads that exist, and to no other memory.
//# libc: glibc
//# lib: quick.c -> libone.so -ftls-model=initial-exec
//# lib: quick.c -> libtwo.so -ftls-model=initial-exec
//# flags: -pthread
//# stdout: wrong sums 0
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static volatile int stop;

static void *nothing(void *argument) { return argument; }

static void *make_threads(void *argument)
{
    while (!stop) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, nothing, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    return argument;
}

int main(void)
{
    pthread_t makers[3];
    int wrong = 0;
    for (int i = 0; i < 3; i++)
        pthread_create(&makers[i], NULL, make_threads, NULL);
    for (int i = 0; i < 1500; i++) {
        void *handle = dlopen(i % 2 ? "./libone.so" : "./libtwo.so", RTLD_NOW);
        if (!handle) {
            puts(dlerror());
            return 1;
        }
        wrong += ((long (*)(void))dlsym(handle, "sum"))() != 36;
        dlclose(handle);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(makers[i], NULL);
    printf("wrong sums %d\n", wrong);
    return 0;
}
