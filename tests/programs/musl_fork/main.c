// fork from a second thread, with static and dynamic thread-local data and handlers in their order; the child starts threads, opens libraries, forks again.
//# libc: musl
//# lib: library.c -> libone.so
//# lib: library.c -> libtwo.so
//# stdout: child: p2 p1 c1 c2 .
//# stdout: child: own 20, opened 30, a thread 1
//# stdout: child: another library 7
//# stdout: parent: p2 p1 a1 a2 .
//# stdout: parent: child ended with 3, own 20, opened 30, a thread 1
//# stdout: main thread: own 100, opened 200
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread long own = 1;
static long *(*value_here)(void);
static char order[64];

static void add(const char *what) { strcat(order, what); }
static void first_prepare(void) { add("p1 "); }
static void first_parent(void) { add("a1 "); }
static void first_child(void) { add("c1 "); }
static void second_prepare(void)
{
    add("p2 ");
    // The loader is in order inside of handlers too.
    if (dlsym(RTLD_DEFAULT, "main") == NULL && dlopen(NULL, RTLD_NOW) == NULL)
        add("? ");
}
static void second_parent(void) { add("a2 "); }
static void second_child(void)
{
    add(dlopen("./libone.so", RTLD_NOW) ? "c2 " : "c? ");
}

static void *inner(void *argument)
{
    long right = own == 1 && *value_here() == 7;
    return (void *)right;
}

static int in_thread(void)
{
    pthread_t id;
    void *result;
    if (pthread_create(&id, 0, inner, 0))
        return -1;
    pthread_join(id, &result);
    return (int)(intptr_t)result;
}

static void *second(void *argument)
{
    own = 20;
    *value_here() = 30;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        printf("child: %s.\n", order);
        printf("child: own %ld, opened %ld, a thread %d\n", own, *value_here(), in_thread());
        void *handle = dlopen("./libtwo.so", RTLD_NOW);
        long *(*other)(void) = handle ? (long *(*)(void))dlsym(handle, "value_here") : 0;
        printf("child: another library %ld\n", other ? *other() : -1);
        fflush(stdout);
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(own == 20 && *value_here() == 30 && in_thread() == 1 ? 3 : 4);
        int status;
        waitpid(grandchild, &status, 0);
        _exit(WEXITSTATUS(status));
    }
    int status;
    waitpid(child, &status, 0);
    printf("parent: %s.\n", order);
    printf("parent: child ended with %d, own %ld, opened %ld, a thread %d\n", WEXITSTATUS(status), own, *value_here(), in_thread());
    return 0;
}

int main(void)
{
    pthread_t id;
    value_here = (long *(*)(void))dlsym(dlopen("./libone.so", RTLD_NOW), "value_here");
    pthread_atfork(first_prepare, first_parent, first_child);
    pthread_atfork(second_prepare, second_parent, second_child);
    own = 100;
    *value_here() = 200;
    pthread_create(&id, 0, second, 0);
    pthread_join(id, 0);
    printf("main thread: own %ld, opened %ld\n", own, *value_here());
    return 0;
}
