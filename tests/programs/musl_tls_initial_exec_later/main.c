// A library that is opened may refer by the initial exec model to what the start loaded, in threads that were there before: also to zeros so large
// that lode would make them for those threads only that touch them, if no other library could find them.
//# libc: musl
//# lib: zeros.c -> libzeros.so
//# lib: user.c -> libuser.so -ftls-model=initial-exec libzeros.so
//# flags: libzeros.so
//# stdout: one place 1, in the thread 1, small 5
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

extern char *zeros_here(void);
static char *(*zeros_seen)(void);
static int (*small_seen)(void);
static pthread_barrier_t barrier;

static void *thread(void *argument)
{
    zeros_here()[100] = 1;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return (void *)(long)(zeros_seen() == zeros_here() && zeros_seen()[100] == 1 && small_seen() == 5);
}

int main(void)
{
    pthread_t id;
    void *result;
    pthread_barrier_init(&barrier, 0, 2);
    pthread_create(&id, 0, thread, 0);
    pthread_barrier_wait(&barrier);
    void *handle = dlopen("./libuser.so", RTLD_NOW);
    if (!handle)
        return puts(dlerror()), 1;
    zeros_seen = dlsym(handle, "zeros_seen");
    small_seen = dlsym(handle, "small_seen");
    pthread_barrier_wait(&barrier);
    pthread_join(id, &result);
    printf("one place %d, in the thread %ld, small %d\n", zeros_seen() == zeros_here(), (long)result, small_seen());
    return 0;
}
