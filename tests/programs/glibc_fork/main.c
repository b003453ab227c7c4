// fork with other threads alive: the child has one thread, works on, starts threads of its own, opens libraries.
//# libc: glibc
//# lib: b.c -> libb.so
//# stdout: atfork prepare
//# stdout: child 5 9
//# stdout: parent saw 11
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void prepare(void) { printf("atfork prepare\n"); }
static volatile int stop;
static void *busy(void *argument)
{
    while (!stop)
        free(malloc(100));
    return NULL;
}
static void *nine(void *argument) { return (void *)9; }

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, busy, NULL);
    pthread_atfork(prepare, NULL, NULL);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        void *result, *handle = dlopen("./libb.so", RTLD_NOW);
        int (*answer)(void) = handle ? dlsym(handle, "answer") : NULL;
        pthread_create(&thread, NULL, nine, NULL);
        pthread_join(thread, &result);
        printf("child %d %ld\n", answer ? answer() : -1, (long)result);
        fflush(stdout);
        _exit(11);
    }
    int status;
    waitpid(child, &status, 0);
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    freopen("/dev/null", "w", stderr);
    // The child's copy of the buffer was written by the child: only what is new is ours.
    printf("");
    char line[32];
    int length = snprintf(line, sizeof line, "parent saw %d\n", WEXITSTATUS(status));
    write(1, line, length);
    _exit(0);
}
