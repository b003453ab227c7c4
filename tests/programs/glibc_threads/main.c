// Threads: create, join, values, keys with destructors, thread-local data, mutexes, condition variables, barriers.
//# libc: glibc
//# stdout: sum 45
//# stdout: counter 40000
//# stdout: key destructors 10
//# stdout: own tls 10
//# stdout: main's tls 1
//# stdout: ok stack of asked size
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>

static __thread int own = 1;
static __thread char block[10000];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static int counter, destructors, fresh;
static pthread_barrier_t barrier;

static void destroy(void *value) { __sync_fetch_and_add(&destructors, 1); }

static void *work(void *number)
{
    pthread_setspecific(key, number + 1);
    if (own == 1 && block[9999] == 0)
        __sync_fetch_and_add(&fresh, 1);
    own = 2 + (long)number;
    block[9999] = 1;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 4000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return number;
}

int main(void)
{
    pthread_t threads[10];
    long sum = 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    pthread_key_create(&key, destroy);
    pthread_barrier_init(&barrier, NULL, 10);
    for (long i = 0; i < 10; i++)
        pthread_create(&threads[i], &attributes, work, (void *)i);
    for (int i = 0; i < 10; i++) {
        void *result;
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    printf("sum %ld\ncounter %d\nkey destructors %d\nown tls %d\nmain's tls %d\n", sum, counter, destructors, fresh, own);
    size_t size;
    pthread_attr_t mine;
    pthread_getattr_np(pthread_self(), &mine);
    pthread_attr_getstacksize(&mine, &size);
    printf("%sok stack of asked size\n", size > 65536 ? "" : "not ");
    return 0;
}
