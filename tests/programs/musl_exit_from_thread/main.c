// The main thread leaves, another calls exit: handlers and destructors run there. A child that leaves by _exit runs none, by quick_exit its own only.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: liblibrary.so
//# stdout: at_quick_exit
//# stdout: atexit 22
//# stdout: destructor 22
//# exit: 3
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern int *here_here(void);

static void at_exit(void) { printf("atexit %d\n", *here_here()); }
static void quickly(void) { write(1, "at_quick_exit\n", 14); }

static void *thread(void *main_thread)
{
    pthread_join(*(pthread_t *)main_thread, 0);
    *here_here() = 22;
    exit(3);
}

int main(void)
{
    static pthread_t main_thread;
    pthread_t id;
    int status;
    atexit(at_exit);
    at_quick_exit(quickly);
    pid_t child = fork();
    if (child == 0)
        _exit(1);
    waitpid(child, &status, 0);
    child = fork();
    if (child == 0)
        quick_exit(2);
    waitpid(child, &status, 0);
    main_thread = pthread_self();
    *here_here() = 11;
    pthread_create(&id, 0, thread, &main_thread);
    pthread_exit(0);
}
