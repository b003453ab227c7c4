// A thread that does not touch a library's large zeros does not pay for them: 64 such threads, all alive, stay far below the 32 MB that they would take. The program has initial
// data of its own above them: what lies below initial data in the block that libc copies for each thread is copied too.
//# libc: musl
//# lib: zeros.c -> libzeros.so
//# flags: libzeros.so
//# stdout: grew by less than 8 MB 1
//# stdout: wrong 0
#include <pthread.h>
#include <stdio.h>
#include <string.h>

extern char *zeros_here(void);
static pthread_barrier_t barrier;
static __thread volatile int number = 7;

static void *thread(void *argument)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return zeros_here()[512 * 1024 - 1] || number != 7 ? "wrong" : 0;
}

static long resident(void)
{
    long pages = 0, all;
    FILE *file = fopen("/proc/self/statm", "r");
    fscanf(file, "%ld %ld", &all, &pages);
    fclose(file);
    return pages * 4;
}

int main(void)
{
    pthread_t threads[64];
    long before = resident();
    int wrong = 0;
    pthread_barrier_init(&barrier, 0, 65);
    for (int i = 0; i < 64; i++)
        pthread_create(&threads[i], 0, thread, 0);
    pthread_barrier_wait(&barrier);
    printf("grew by less than 8 MB %d\n", resident() - before < 8192);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 64; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += result != 0;
    }
    printf("wrong %d\n", wrong);
    return 0;
}
