// A signal handler forks while its thread, and another one, are in the middle of look-ups that fail: nothing waits for itself.
//# libc: glibc
//# flags: -pthread
//# stdout: forks 200, failures of children 0
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int forks, failures, stop;

static void fork_now(int signal)
{
    (void)signal;
    if (forks == 200)
        return;
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, &status, 0);
    failures += status != 0;
    forks++;
}

static void *fail(void *argument)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!stop) {
        dlopen("./absent.so", RTLD_NOW);
        dlerror();
    }
    return argument;
}

int main(void)
{
    pthread_t thread;
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, fork_now);
    pthread_create(&thread, NULL, fail, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    while (forks < 200) {
        dlsym(RTLD_DEFAULT, "absent");
        dlerror();
    }
    setitimer(ITIMER_REAL, &never, NULL);
    stop = 1;
    pthread_join(thread, NULL);
    printf("forks %d, failures of children %d\n", forks, failures);
    return 0;
}
