// Three threads that wait with values of their own in thread-local storage, while the first one calls stop_here.

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t barrier;
static void *library;
__thread int own_tls = 3;

static __attribute__((noinline)) void stop_here(int fail) {
    if (fail) abort();
}

static void *run(void *argument) {
    int number = (int)(long)argument;
    int (*work)(int) = (int (*)(int))dlsym(library, "work");
    own_tls += number;
    work(number);
    errno = 100 + number;
    for (;;) pthread_barrier_wait(&barrier);
}

int main(int argc, char **argv) {
    (void)argv;
    library = dlopen("./library.so", RTLD_NOW);
    if (!library) return puts(dlerror());
    pthread_barrier_init(&barrier, NULL, 4);
    pthread_t threads[3];
    for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, run, (void *)(i + 1));
    // Passed when each of them has set its values.
    pthread_barrier_wait(&barrier);
    stop_here(argc > 1);
    return 0;
}
