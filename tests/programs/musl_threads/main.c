// Threads of every kind: joined, detached, with a stack of the caller's, small and large ones; keys, once, condition variables, thread-local errno, names of threads.
//# libc: musl
//# stdout: joined, right 50, destroyed 50, once 1
//# stdout: detached, destroyed 60
//# stdout: own stack 1
//# stdout: large stack 1
//# stdout: small stack 1
//# stdout: main thread's stack 1
//# stdout: main thread's own 3
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread int own = 3;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t done;
static int destroyed, made;

static void destroy(void *value) { __atomic_add_fetch(&destroyed, (int)(intptr_t)value, __ATOMIC_SEQ_CST); }
static void make(void)
{
    made++;
    pthread_key_create(&key, destroy);
}

static void *work(void *argument)
{
    pthread_once(&once, make);
    pthread_setspecific(key, argument);
    errno = (int)(intptr_t)argument;
    sched_yield();
    int right = own == 3 && errno == (int)(intptr_t)argument;
    own = 0;
    sem_post(&done);
    return (void *)(intptr_t)right;
}

static void *on_stack(void *argument)
{
    char local;
    char *start = argument;
    return (void *)(intptr_t)(&local > start && &local < start + (1 << 17) && own == 3);
}

static int run(pthread_attr_t *attributes, void *(*function)(void *), void *argument)
{
    pthread_t id;
    void *result = 0;
    int error = pthread_create(&id, attributes, function, argument);
    if (error)
        return -error;
    pthread_join(id, &result);
    return (int)(intptr_t)result;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_t ids[50];
    int right = 0;
    size_t size;
    void *place;
    sem_init(&done, 0, 0);
    for (int i = 0; i < 50; i++)
        pthread_create(&ids[i], 0, work, (void *)1);
    for (int i = 0; i < 50; i++) {
        void *result;
        pthread_join(ids[i], &result);
        right += (int)(intptr_t)result;
        sem_wait(&done);
    }
    printf("joined, right %d, destroyed %d, once %d\n", right, destroyed, made);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 10; i++)
        pthread_create(&ids[i], &attributes, work, (void *)1);
    for (int i = 0; i < 10; i++)
        sem_wait(&done);
    while (__atomic_load_n(&destroyed, __ATOMIC_SEQ_CST) < 60)
        usleep(1000);
    printf("detached, destroyed %d\n", destroyed);
    pthread_attr_init(&attributes);
    char *stack = mmap(0, 1 << 17, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_setstack(&attributes, stack, 1 << 17);
    printf("own stack %d\n", run(&attributes, on_stack, stack));
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 20);
    printf("large stack %d\n", run(&attributes, work, (void *)1));
    pthread_attr_setstacksize(&attributes, 16384);
    printf("small stack %d\n", run(&attributes, work, (void *)1));
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &place, &size);
    printf("main thread's stack %d\n", (char *)&size > (char *)place && (char *)&size < (char *)place + size);
    printf("main thread's own %d\n", own);
    return 0;
}
