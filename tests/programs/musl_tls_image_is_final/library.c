// Its constructor starts a thread that reads thread-local data of its own and of the program.
#include <pthread.h>
#include <stdio.h>

static int here = 11;
static __thread int *own = &here;
extern int programs(void);

static void *thread(void *argument)
{
    printf("a constructor's thread: own %d, the program's %d\n", *own, programs());
    return 0;
}

__attribute__((constructor)) static void init(void)
{
    pthread_t id;
    pthread_create(&id, 0, thread, 0);
    pthread_join(id, 0);
}
