// Cancellation: in a system call that blocks, in a loop, with cleanup handlers and destructors of keys; deferred and asynchronous.
//# libc: musl
//# stdout: blocked 1, cleaned 5, destroyed 4
//# stdout: spinning 1
//# stdout: leaving 77, cleaned 19
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int cleaned, destroyed;
static pthread_key_t key;
static __thread int own = 4;

static void destroy(void *value) { destroyed += own; }
static void clean(void *argument) { cleaned += *(int *)argument + own; }

static void *blocked(void *argument)
{
    int one = 1, pipes[2];
    char byte;
    pipe(pipes);
    pthread_setspecific(key, &own);
    pthread_cleanup_push(clean, &one);
    read(pipes[0], &byte, 1);
    pthread_cleanup_pop(0);
    return 0;
}

static void *spinning(void *argument)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
    for (volatile long i = 0;; i++)
        ;
}

static void *leaving(void *argument)
{
    int ten = 10;
    pthread_cleanup_push(clean, &ten);
    pthread_exit((void *)77);
    pthread_cleanup_pop(0);
    return 0;
}

int main(void)
{
    pthread_t id;
    void *result;
    pthread_key_create(&key, destroy);
    pthread_create(&id, 0, blocked, 0);
    usleep(20000);
    pthread_cancel(id);
    pthread_join(id, &result);
    printf("blocked %d, cleaned %d, destroyed %d\n", result == PTHREAD_CANCELED, cleaned, destroyed);
    pthread_create(&id, 0, spinning, 0);
    usleep(20000);
    pthread_cancel(id);
    pthread_join(id, &result);
    printf("spinning %d\n", result == PTHREAD_CANCELED);
    pthread_create(&id, 0, leaving, 0);
    pthread_join(id, &result);
    printf("leaving %ld, cleaned %d\n", (long)result, cleaned);
    return 0;
}
