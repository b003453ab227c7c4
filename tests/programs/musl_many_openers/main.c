// Several threads open libraries and look up symbols at once.
//# libc: musl
//# lib: plug.c -> lib1.so -DNUMBER=1
//# lib: plug.c -> lib2.so -DNUMBER=2
//# lib: plug.c -> lib3.so -DNUMBER=3
//# lib: plug.c -> lib4.so -DNUMBER=4
//# stdout: wrong 0
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

static void *opener(void *argument)
{
    int number = (int)(intptr_t)argument % 4 + 1, wrong = 0;
    char name[32];
    snprintf(name, sizeof name, "./lib%d.so", number);
    for (int i = 0; i < 50; i++) {
        void *handle = dlopen(name, RTLD_NOW);
        int (*ask)(void) = handle ? dlsym(handle, "ask") : 0;
        wrong += !ask || ask() != number + i;
        wrong += dlsym(RTLD_DEFAULT, "nobody") != 0;
        dlclose(handle);
    }
    return (void *)(intptr_t)wrong;
}

int main(void)
{
    pthread_t openers[8];
    void *result;
    int wrong = 0;
    for (int i = 0; i < 8; i++)
        pthread_create(&openers[i], 0, opener, (void *)(intptr_t)i);
    for (int i = 0; i < 8; i++) {
        pthread_join(openers[i], &result);
        wrong += (int)(intptr_t)result;
    }
    printf("wrong %d\n", wrong);
    return 0;
}
