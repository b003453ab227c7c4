// A word of a thread-local image that a resolver decides is final in the first thread's block and in a later one's.
//# libc: glibc
//# lib: b.c -> libb.so
//# flags: libb.so -pthread
//# stdout: first: 42 43
//# stdout: second: 42 43
#include <pthread.h>
#include <stdio.h>

static int answer(void) { return 42; }
static int (*resolve(void))(void) { return answer; }
int chosen(void) __attribute__((ifunc("resolve")));
__thread int (*pointer)(void) = chosen;
int library_pointer(void);

static void *second(void *unused)
{
    printf("second: %d %d\n", pointer(), library_pointer());
    return unused;
}

int main(void)
{
    pthread_t thread;
    printf("first: %d %d\n", pointer(), library_pointer());
    pthread_create(&thread, NULL, second, NULL);
    pthread_join(thread, NULL);
    return 0;
}
