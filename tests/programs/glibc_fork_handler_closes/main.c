// Handlers of fork open and close libraries, before, in the parent and in the child, while another thread does so, too (BZ 24595).
// The libraries have no destructor, which would ask for a lock of libc that the other thread may have held at the fork.
// Under glibc's loader a child may wait for ever for a lock that the other thread held, so it is not asked.
//# libc: glibc
//# oracle: no
//# bind: lazy
//# lib: plain.c -> libone.so -nostartfiles
//# lib: plain.c -> libtwo.so -nostartfiles
//# flags: -pthread
//# stdout: children that ended well 40, failures 0
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void *kept;
static atomic_int stop, failures;

static void *open_it(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW);
    if (!handle || ((int (*)(void))dlsym(handle, "answer"))() != 42)
        failures++;
    return handle;
}

static void before(void)
{
    failures += dlclose(kept) != 0;
    kept = open_it("./libone.so");
}

static void after(void)
{
    failures += dlclose(kept) != 0;
    kept = open_it("./libtwo.so");
}

static void *busy(void *argument)
{
    while (!stop)
        dlclose(open_it("./libtwo.so"));
    return argument;
}

int main(void)
{
    int well = 0;
    pthread_t thread;
    kept = open_it("./libone.so");
    pthread_atfork(before, after, after);
    pthread_create(&thread, NULL, busy, NULL);
    for (int i = 0; i < 40; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            alarm(15);
            _exit(failures);
        }
        waitpid(child, &status, 0);
        well += status == 0;
    }
    stop = 1;
    pthread_join(thread, NULL);
    printf("children that ended well %d, failures %d\n", well, failures);
    return 0;
}
