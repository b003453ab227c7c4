// The default size of threads' stacks is the largest that PT_GNU_STACK of the program or of a library asks for.
//# libc: musl
//# lib: library.c -> liblibrary.so -Wl,-z,stack-size=3145728
//# flags: liblibrary.so -Wl,-z,stack-size=1048576
//# stdout: default 3145728
//# stdout: this thread 3
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>

extern int answer(void);

static void *thread(void *argument)
{
    volatile char block[2 << 20];
    for (int i = 0; i < sizeof block; i += 4096)
        block[i] = 1;
    pthread_attr_t attributes;
    size_t size;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &size);
    printf("this thread %zu\n", size >> 20);
    return 0;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_t id;
    size_t size;
    pthread_getattr_default_np(&attributes);
    pthread_attr_getstacksize(&attributes, &size);
    printf("default %zu\n", size);
    pthread_create(&id, 0, thread, 0);
    pthread_join(id, 0);
    return 0;
}
