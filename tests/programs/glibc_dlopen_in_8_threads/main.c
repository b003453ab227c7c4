// Eight threads open, use and close the same libraries at once; whoever gets a handle finds the constructor done. One library opens another one in its
// constructor and has an indirect function.
//# libc: glibc
//# lib: value.c -> libvalue.so
//# lib: inner.c -> libinner.so
//# lib: outer.c -> libouter.so
//# bind: lazy
//# stdout: wrong 0, mapped 0 0 0
#include <dlfcn.h>
#include <pthread.h>
#include "maps.h"

static int wrong;
static pthread_barrier_t barrier;

static void *work(void *number)
{
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < 150; i++) {
        void *handle = dlopen((i + (long)number) % 2 ? "./libvalue.so" : "./libouter.so", i % 2 ? RTLD_NOW : RTLD_LAZY);
        int (*value)(void) = handle ? (int (*)(void))dlsym(handle, "value") : NULL;
        if (!value || value() != 3 || dlclose(handle))
            __sync_fetch_and_add(&wrong, 1);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[8];
    pthread_barrier_init(&barrier, NULL, 8);
    for (long i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    printf("wrong %d, mapped %d %d %d\n", wrong, is_mapped("/libvalue.so"), is_mapped("/libouter.so"), is_mapped("/libinner.so"));
    return 0;
}
