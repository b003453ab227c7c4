// The first calls of malloc come from two threads at once. libc prepares its heap in the first call and takes no lock for that: it
// relies on the loader, which asks for memory before there is a second thread.
//# libc: glibc
//# flags: -pthread
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int ready;

static void *work(void *unused)
{
    char *blocks[100];
    ready++;
    while (ready < 2)
        ;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100; i++)
            memset(blocks[i] = malloc(50), round, 50);
        for (int i = 0; i < 100; i++)
            free(blocks[i]);
    }
    return unused;
}

static void race(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

// Each child is a process whose heap is not prepared yet.
int main(void)
{
    for (int i = 0; i < 200; i++) {
        int status;
        pid_t id = fork();
        if (id == 0) {
            race();
            _exit(0);
        }
        waitpid(id, &status, 0);
        if (status)
            return 1;
    }
    return 0;
}
