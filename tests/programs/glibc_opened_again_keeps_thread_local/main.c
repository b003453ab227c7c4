// A library that is loaded and is opened again, made global, or needed by one that is opened, keeps what threads have in its thread-local data (BZ
// 31717).
//# libc: glibc
//# bind: lazy
//# lib: value.c -> libstart.so
//# lib: value.c -> libquick.so -ftls-model=initial-exec
//# lib: value.c -> liblate.so
//# lib: user.c -> libuser1.so libstart.so
//# lib: user.c -> libuser2.so libquick.so
//# lib: user.c -> libuser3.so liblate.so
//# flags: libstart.so -pthread
//# stdout: values kept 60 of 60
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t barrier;
static int *(*places[3])(void);
static int kept;

static void *live(void *argument)
{
    for (int i = 0; i < 3; i++)
        *places[i]() = 50 + i;
    for (int round = 0; round < 4; round++) {
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < 3; i++)
            __sync_fetch_and_add(&kept, *places[i]() == 50 + i);
    }
    return argument;
}

int main(void)
{
    static const char *const names[] = {"./libstart.so", "./libquick.so", "./liblate.so"};
    static const char *const users[] = {"./libuser1.so", "./libuser2.so", "./libuser3.so"};
    pthread_t threads[5];
    pthread_barrier_init(&barrier, NULL, 6);
    for (int i = 0; i < 3; i++)
        places[i] = (int *(*)(void))dlsym(dlopen(names[i], RTLD_NOW), "place");
    for (int i = 0; i < 5; i++)
        pthread_create(&threads[i], NULL, live, NULL);
    for (int round = 0; round < 4; round++) {
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < 3; i++) {
            if (round == 0)
                dlopen(names[i], RTLD_NOW);
            if (round == 1)
                dlopen(names[i], RTLD_LAZY | RTLD_GLOBAL);
            if (round == 2)
                dlopen(users[i], RTLD_NOW);
            if (round == 3)
                dlclose(dlopen(names[i], RTLD_NOW));
        }
        pthread_barrier_wait(&barrier);
    }
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    printf("values kept %d of 60\n", kept);
    return 0;
}
