// malloc of a library that keeps its blocks in thread-local data: the first call in each thread allocates them, by nobody's malloc.
//# libc: musl
//# lib: allocator.c -> liballocator.so
//# lib: plug.c -> libplug.so
//# flags: liballocator.so
//# stdout: 22
//# stdout: 22
//# stdout: 22
//# stdout: 22
//# stdout: 22
//# stdout: 22
//# stdout: 22
//# stdout: 22
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

extern int counted(void);
static int (*use)(void);

static void *thread(void *argument)
{
    use();
    use();
    return strdup("a") && strdup("b") ? (void *)(long)(counted() * 10 + use()) : 0;
}

int main(void)
{
    pthread_t threads[8];
    void *result;
    use = dlsym(dlopen("./libplug.so", RTLD_NOW), "use");
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], 0, thread, 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &result);
        printf("%ld\n", (long)result);
    }
    return 0;
}
