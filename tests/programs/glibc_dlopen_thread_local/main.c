// Thread-local data of libraries that are opened while threads run: each thread has its own, initialised copy at its
// first touch; one library was made for static TLS and gets its place in the surplus.
//# libc: glibc
//# lib: b.c -> libb.so
//# lib: static.c -> libstatic.so
//# lib: b.c -> libdescriptor.so -mtls-dialect=gnu2
//# stdout: dynamic 5 5 5
//# stdout: descriptor 5 5 5
//# stdout: static 9 9
//# stdout: ok all apart
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t barrier;
static int *(*address)(void), *(*descriptor)(void), *(*static_address)(void);
static int *seen[3], values[3], by_descriptor[3];

static void *touch(void *number)
{
    long at = (long)number;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    seen[at] = address();
    values[at] = (*seen[at])++;
    by_descriptor[at] = (*descriptor())++;
    pthread_barrier_wait(&barrier);
    return NULL;
}
static void *static_value(void *unused) { return (void *)(long)*static_address(); }

int main(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 3);
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, touch, (void *)i);
    pthread_barrier_wait(&barrier);
    address = dlsym(dlopen("./libb.so", RTLD_NOW), "address");
    descriptor = dlsym(dlopen("./libdescriptor.so", RTLD_NOW), "address");
    pthread_barrier_wait(&barrier);
    seen[2] = address();
    values[2] = (*seen[2])++;
    by_descriptor[2] = (*descriptor())++;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("dynamic %d %d %d\n", values[0], values[1], values[2]);
    printf("descriptor %d %d %d\n", by_descriptor[0], by_descriptor[1], by_descriptor[2]);
    void *library = dlopen("./libstatic.so", RTLD_NOW);
    if (!library)
        return puts(dlerror()), 1;
    static_address = dlsym(library, "static_address");
    void *value;
    pthread_create(&threads[0], NULL, static_value, NULL);
    pthread_join(threads[0], &value);
    printf("static %d %ld\n", *static_address(), (long)value);
    int apart = seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2];
    printf("%sok all apart\n", apart ? "" : "not ");
    return 0;
}
