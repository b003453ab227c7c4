// Eight threads look up and open what is not there: each reads its own text, once.
//# libc: glibc
//# bind: lazy
//# flags: -pthread
//# stdout: wrong texts 0
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int wrong;

static void expect(const char *part)
{
    const char *text = dlerror();
    if (!text || !strstr(text, part) || dlerror())
        __sync_fetch_and_add(&wrong, 1);
}

static void *work(void *number)
{
    char name[64];
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "no_symbol_%ld_%d", (long)number, i);
        if (dlsym(RTLD_DEFAULT, name))
            __sync_fetch_and_add(&wrong, 1);
        expect(name);
        snprintf(name, sizeof name, "./no_file_%ld_%d.so", (long)number, i);
        if (i % 4 == 0) {
            if (dlopen(name, RTLD_NOW))
                __sync_fetch_and_add(&wrong, 1);
            expect(name);
        }
    }
    // What a thread leaves behind is nobody else's.
    dlopen(name, RTLD_NOW);
    return NULL;
}

int main(void)
{
    pthread_t threads[8];
    for (int round = 0; round < 2; round++) {
        for (long i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, work, (void *)i);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
    if (dlerror())
        wrong++;
    printf("wrong texts %d\n", wrong);
    return 0;
}
