// Several threads open libraries and look up symbols at once, while others fork and the children open libraries too. Under musl's own loader a child
// hangs now and then.
//# libc: musl
//# oracle: no
//# lib: ../musl_many_openers/plug.c -> lib1.so -DNUMBER=1
//# lib: ../musl_many_openers/plug.c -> lib2.so -DNUMBER=2
//# lib: ../musl_many_openers/plug.c -> lib3.so -DNUMBER=3
//# lib: ../musl_many_openers/plug.c -> lib4.so -DNUMBER=4
//# stdout: wrong 0, bad children 0
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void *forker(void *argument)
{
    int wrong = 0;
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            void *handle = dlopen("./lib4.so", RTLD_NOW);
            int (*ask)(void) = handle ? dlsym(handle, "ask") : 0;
            _exit(!ask || ask() != 4);
        }
        int status = -1;
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    return (void *)(intptr_t)wrong;
}

int main(void)
{
    pthread_t openers[8], forkers[2];
    void *result;
    int wrong = 0, bad = 0;
    for (int i = 0; i < 8; i++)
        pthread_create(&openers[i], 0, opener, (void *)(intptr_t)i);
    for (int i = 0; i < 2; i++)
        pthread_create(&forkers[i], 0, forker, 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(openers[i], &result);
        wrong += (int)(intptr_t)result;
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(forkers[i], &result);
        bad += (int)(intptr_t)result;
    }
    printf("wrong %d, bad children %d\n", wrong, bad);
    return 0;
}
