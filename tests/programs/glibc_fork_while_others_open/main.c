// A thread forks while others open libraries and look at all modules; the child opens a library, looks, and starts a thread.
// The system's loader is not asked: its children may find a list half made.
//# libc: glibc
//# lib: b.c -> libb.so
//# flags: -pthread
//# oracle: no
//# stdout: children that ended well: 50
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int stop;

static int count(struct dl_phdr_info *info, size_t size, void *data)
{
    ++*(int *)data;
    return 0;
}

static void *busy(void *unused)
{
    while (!stop) {
        int modules = 0;
        dlclose(dlopen("libb.so", RTLD_NOW));
        dl_iterate_phdr(count, &modules);
    }
    return unused;
}

static void *touch(void *handle)
{
    int *(*place)(void) = (int *(*)(void))dlsym(handle, "place");
    return place() && *place() == 5 ? handle : NULL;
}

static int child(void)
{
    int modules = 0;
    void *result = NULL;
    pthread_t thread;
    alarm(10);
    void *handle = dlopen("libb.so", RTLD_NOW);
    dl_iterate_phdr(count, &modules);
    if (!handle || modules < 3 || pthread_create(&thread, NULL, touch, handle))
        return 1;
    pthread_join(thread, &result);
    return result != handle;
}

int main(void)
{
    pthread_t threads[2];
    int well = 0;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, busy, NULL);
    for (int i = 0; i < 50; i++) {
        int status;
        pid_t id = fork();
        if (id == 0)
            _exit(child());
        waitpid(id, &status, 0);
        well += status == 0;
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("children that ended well: %d\n", well);
    return 0;
}
