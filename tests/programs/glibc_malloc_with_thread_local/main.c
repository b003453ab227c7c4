// A malloc that keeps its state in thread-local data stands before libc's, as a library of the start and as a preload, while threads touch thread-local
// data of opened libraries for the first time: no call comes back into itself (BZ 32412).
//# libc: glibc
//# bind: lazy
//# lib: arena.c -> libarena.so -fno-builtin
//# lib: arena.c -> libdescriptor.so -fno-builtin -mtls-dialect=gnu2
//# lib: value.c -> libvalue.so
//# env: LD_PRELOAD=@DIR@/libdescriptor.so
//# flags: libarena.so -pthread
//# stdout: wrong 0, nested 0, counted 1
#include "copies.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern long calls_of_this_thread(void);
extern int nested_calls(void);

static int wrong, quiet;
static int *(*places[40])(void);

static void *work(void *unused)
{
    long before = calls_of_this_thread();
    for (int i = 0; i < 40; i++) {
        char *text = strdup("some text");
        if (*places[i]() != 4 || strcmp(text, "some text"))
            __sync_fetch_and_add(&wrong, 1);
        free(text);
    }
    if (calls_of_this_thread() < before + 80 || before < 1000)
        __sync_fetch_and_add(&quiet, 1);
    return unused;
}

int main(void)
{
    pthread_t threads[8];
    for (int round = 0; round < 3; round++) {
        void *handles[40];
        for (int i = 0; i < 40; i++) {
            handles[i] = open_copy("libvalue.so", RTLD_NOW);
            places[i] = (int *(*)(void))dlsym(handles[i], "place");
        }
        for (int i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, work, NULL);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < 40; i++)
            dlclose(handles[i]);
    }
    printf("wrong %d, nested %d, counted %d\n", wrong, nested_calls(), quiet == 0);
    return 0;
}
