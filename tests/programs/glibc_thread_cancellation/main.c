// Cancelling a thread that sleeps unwinds its stack through libgcc_s, which libc opens for that; pthread_exit too.
//# libc: glibc
//# stdout: cleaned up
//# stdout: cancelled 1
//# stdout: exited 7
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void clean(void *argument) { printf("cleaned up\n"); }
static void *sleeper(void *argument)
{
    pthread_cleanup_push(clean, NULL);
    for (;;)
        sleep(10);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *leaver(void *argument) { pthread_exit((void *)7); }

int main(void)
{
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, sleeper, NULL);
    usleep(20000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
    pthread_create(&thread, NULL, leaver, NULL);
    pthread_join(thread, &result);
    printf("exited %ld\n", (long)result);
    return 0;
}
