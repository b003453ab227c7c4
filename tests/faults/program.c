// A program with libc: says E when it runs, and OK when its library, its thread-local storage and its threads answer as they should. Ends with 42.
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int library_sum(int);
extern __thread int library_counter;

static void *thread(void *unused) { return (void *)(long)++library_counter; }

int main(void)
{
    write(1, "E", 1);
    int good = library_sum(4) == 104;
    volatile double two = 2;
    good &= fabs(sqrt(two) * sqrt(two) - 2) < 1e-9;
    pthread_t id;
    void *result = (void *)8;
    // A limit on memory may leave no room for a thread.
    if (pthread_create(&id, NULL, thread, NULL) == 0)
        pthread_join(id, &result);
    good &= (long)result == 8;
    char *memory = malloc(100);
    if (memory)
        memset(memory, 1, 100);
    write(1, good ? "OK\n" : "BAD\n", good ? 3 : 4);
    _exit(good ? 42 : 43);
}
