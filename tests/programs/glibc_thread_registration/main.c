// What libc expects of the loader for each thread: the thread's id, a stable stack protector, setjmp, rseq.
//# libc: glibc
//# flags: -fstack-protector-all
//# stdout: ok main's id
//# stdout: ok thread's id
//# stdout: ok longjmp
//# stdout: ok restartable sequences
//# stdout: ok errno is the thread's own
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/rseq.h>
#include <unistd.h>

static pid_t id_in_thread, robust;
static void *look(void *argument)
{
    char buffer[64];
    memset(buffer, 0, sizeof buffer);
    errno = 77;
    id_in_thread = gettid();
    return buffer[5] ? "" : NULL;
}
static void print(int holds, const char *name) { printf("%sok %s\n", holds ? "" : "not ", name); }

int main(void)
{
    pthread_mutex_t mutex;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutex_lock(&mutex);
    // An error-checking mutex compares its owner with the id in the thread's own block.
    print(gettid() == getpid() && pthread_mutex_lock(&mutex) == EDEADLK, "main's id");
    pthread_t thread;
    errno = 5;
    pthread_create(&thread, NULL, look, NULL);
    pthread_join(thread, NULL);
    print(id_in_thread != getpid() && id_in_thread > 0, "thread's id");
    jmp_buf place;
    volatile int count = 0;
    if (setjmp(place) < 3)
        longjmp(place, ++count);
    print(count == 3, "longjmp");
    struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    print(__rseq_size == 0 || (int)area->cpu_id >= 0, "restartable sequences");
    print(errno == 5, "errno is the thread's own");
    return 0;
}
