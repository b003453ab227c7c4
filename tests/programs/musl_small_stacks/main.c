// Libraries are opened, symbols looked up and thread-local data found on a stack of 16 KiB, and on an alternate stack in a signal's handler.
//# libc: musl
//# lib: library.c -> libone.so
//# lib: library.c -> libtwo.so
//# stdout: small stack 8
//# stdout: alternate stack 8
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int answer_of(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW);
    int (*answer)(void) = handle ? (int (*)(void))dlsym(handle, "answer") : 0;
    return answer ? answer() : -1;
}

static void *thread(void *argument) { return (void *)(long)answer_of("./libone.so"); }

static volatile int in_handler;
static void handler(int signal) { in_handler = answer_of("./libtwo.so"); }

int main(void)
{
    pthread_attr_t attributes;
    pthread_t id;
    void *result;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    pthread_create(&id, &attributes, thread, 0);
    pthread_join(id, &result);
    printf("small stack %ld\n", (long)result);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    stack_t stack = {.ss_sp = malloc(32768), .ss_size = 32768};
    sigaltstack(&stack, 0);
    sigaction(SIGUSR1, &action, 0);
    raise(SIGUSR1);
    printf("alternate stack %d\n", in_handler);
    return 0;
}
