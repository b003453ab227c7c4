// Makes a thread in its constructor and waits for it; the thread uses the library's own thread-local data and looks at all modules.
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>

__thread int own = 5;
int seen, modules;

static int count(struct dl_phdr_info *info, size_t size, void *data)
{
    ++*(int *)data;
    return 0;
}

static void *work(void *argument)
{
    seen = own++;
    dl_iterate_phdr(count, &modules);
    return argument;
}

__attribute__((constructor)) static void begin(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
}
