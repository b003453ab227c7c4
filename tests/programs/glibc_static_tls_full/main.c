// Libraries whose code counts on static TLS are opened until there is no more room, and then a text says so; what was opened works in old and new
// threads, and a library without that wish can still be opened (BZ 14898, 31991). How many fit is not the same under both loaders.
//# libc: glibc
//# bind: lazy
//# lib: quick.c -> libquick.so -ftls-model=initial-exec
//# lib: quick.c -> libslow.so
//# flags: -pthread
//# stdout: opened enough 1, wrong 0
//# stdout: : cannot allocate memory in static TLS block
//# stdout: slow 9
#include "copies.h"
#include <pthread.h>
#include <string.h>

static int *(*places[64])(void);
static int opened, wrong;
static pthread_barrier_t barrier;

static void *look(void *wait)
{
    if (wait)
        pthread_barrier_wait(&barrier);
    for (int i = 0; i < opened; i++) {
        if (*places[i]() != 9)
            __sync_fetch_and_add(&wrong, 1);
        *places[i]() = i;
    }
    return NULL;
}

int main(void)
{
    pthread_t old, new;
    void *handle;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&old, NULL, look, &barrier);
    while (opened < 64 && (handle = open_copy("libquick.so", RTLD_NOW)))
        places[opened++] = (int *(*)(void))dlsym(handle, "place");
    const char *text = opened < 64 ? dlerror() : "";
    pthread_barrier_wait(&barrier);
    pthread_create(&new, NULL, look, NULL);
    pthread_join(old, NULL);
    pthread_join(new, NULL);
    look(NULL);
    printf("opened enough %d, wrong %d\n", opened >= 2, wrong);
    // lode's text goes on behind glibc's words.
    const char *words = strchr(text, ':') ? strchr(text, ':') : text;
    printf("%.*s\n", (int)strcspn(words, ";"), words);
    handle = dlopen("./libslow.so", RTLD_NOW);
    printf("slow %d\n", handle ? *((int *(*)(void))dlsym(handle, "place"))() : -1);
    return 0;
}
