// Has a thread, which its destructor tells to end and waits for. The thread touches thread-local data for the first time in the meantime.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

__thread int own = 7;
static atomic_int over;
static pthread_t thread;
static int seen;

static void *work(void *argument)
{
    while (!over)
        sched_yield();
    seen = own++;
    return argument;
}

__attribute__((constructor)) static void begin(void) { pthread_create(&thread, NULL, work, NULL); }

__attribute__((destructor)) static void end(void)
{
    over = 1;
    pthread_join(thread, NULL);
    printf("thread saw %d\n", seen);
}
