// Timers that start threads: musl resets their static thread-local data after each call, and an opened library's stays in order.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# stdout: ten calls, wrong 0
//# stdout: main thread 5 1000
#include <dlfcn.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

static int (*counted)(void);
static __thread int own = 5;
static sem_t done;
static int calls, wrong;

static void expired(union sigval value)
{
    int mine = own++, theirs = counted();
    wrong += mine != 5 || theirs < 1000 || theirs > 1010;
    if (++calls <= 10)
        sem_post(&done);
}

int main(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = expired};
    struct itimerspec often = {{0, 2000000}, {0, 2000000}}, never = {0};
    sem_init(&done, 0, 0);
    counted = dlsym(dlopen("./liblibrary.so", RTLD_NOW), "counted");
    if (timer_create(CLOCK_MONOTONIC, &event, &timer))
        return perror("timer_create"), 1;
    timer_settime(timer, 0, &often, 0);
    for (int i = 0; i < 10; i++)
        sem_wait(&done);
    timer_settime(timer, 0, &never, 0);
    printf("ten calls, wrong %d\n", wrong);
    printf("main thread %d %d\n", own, counted());
    timer_delete(timer);
    return 0;
}
