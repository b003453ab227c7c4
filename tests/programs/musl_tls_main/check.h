// What holds of the variables of variables.c in a thread that has not touched them, and stays true of them.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern int target;
extern int *initialised_here(void), *zero_here(void), **pointer_here(void), all_aligned(void);
extern long *hidden_here(void);
extern char *large_here(void);

// Which of the checks fail, as bits; writes the variables.
static int wrong(int value)
{
    int bits = 0;
    bits |= (*initialised_here() != 42) << 0;
    bits |= (*zero_here() != 0) << 1;
    bits |= (*hidden_here() != 5) << 2;
    bits |= (*pointer_here() != &target) << 3;
    bits |= !all_aligned() << 4;
    char *large = large_here();
    for (int i = 0; i < 1 << 20; i += 511)
        bits |= (large[i] != 0) << 5;
    *initialised_here() = *zero_here() = value;
    large[0] = large[(1 << 20) - 1] = value;
    *hidden_here() += value;
    return bits;
}

// Which of the written values are not there.
static int lost(int value)
{
    int bits = 0;
    bits |= (*initialised_here() != value) << 8;
    bits |= (*zero_here() != value) << 9;
    bits |= (*hidden_here() != 5 + value) << 10;
    bits |= (large_here()[(1 << 20) - 1] != (char)value) << 11;
    return bits;
}

static pthread_barrier_t barrier;

static void *thread(void *argument)
{
    int value = (int)(intptr_t)argument, bits = wrong(value);
    pthread_barrier_wait(&barrier);
    return (void *)(intptr_t)(bits | lost(value));
}

// Threads that are all alive at once; the sum of their bits.
static int threads(int count)
{
    pthread_t all[100];
    int bits = 0;
    pthread_barrier_init(&barrier, 0, count);
    for (int i = 0; i < count; i++)
        pthread_create(&all[i], 0, thread, (void *)(intptr_t)(i + 1));
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(all[i], &result);
        bits |= (int)(intptr_t)result;
    }
    return bits;
}

static void check(void)
{
    printf("main thread %x\n", wrong(100));
    printf("its values %x\n", lost(100));
    printf("100 threads %x\n", threads(100));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        printf("child of fork %x\n", lost(100));
        printf("its threads %x\n", threads(10));
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child ended with %d\n", status);
    printf("values after that %x\n", lost(100));
}
