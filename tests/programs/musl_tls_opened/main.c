// The variables of musl_tls_main in a library that is opened while threads run: they find theirs, and so do threads that are made later, children of fork, and
// threads of children. dlsym gives the caller's variable.
//# libc: musl
//# lib: ../musl_tls_main/variables.c -> libgeneral.so
//# lib: ../musl_tls_main/variables.c -> libdescriptors.so -mtls-dialect=gnu2
//# flags: -Wl,--export-dynamic
//# stdout: the opener 0
//# stdout: threads before 0, after 0
//# stdout: a thread that forks 0
//# stdout: the opener's value 100
//# stdout: the opener 0
//# stdout: threads before 0, after 0
//# stdout: a thread that forks 0
//# stdout: the opener's value 100
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int *(*initialised_here)(void), *(*zero_here)(void), **(*pointer_here)(void), (*all_aligned)(void);
static long *(*hidden_here)(void);
static char *(*large_here)(void);
static pthread_barrier_t opened, done;
static void *handle;

static int look(int value)
{
    int bits = *initialised_here() != 42;
    bits |= (*zero_here() != 0) << 1;
    bits |= (*hidden_here() != 5) << 2;
    bits |= (*pointer_here() != (int *)dlsym(handle, "target")) << 3;
    bits |= !all_aligned() << 4;
    bits |= (large_here()[(1 << 20) - 1] != 0) << 5;
    bits |= ((int *)dlsym(handle, "initialised") != initialised_here()) << 6;
    *initialised_here() = *zero_here() = value;
    return bits;
}

static void *early(void *argument)
{
    pthread_barrier_wait(&opened);
    int bits = look((int)(intptr_t)argument);
    pthread_barrier_wait(&done);
    return (void *)(intptr_t)(bits | (*zero_here() != (int)(intptr_t)argument) << 8);
}

static void *late(void *argument) { return (void *)(intptr_t)look(9); }

static int in_new_thread(void)
{
    pthread_t thread;
    void *result;
    pthread_create(&thread, 0, late, 0);
    pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

static void *forking(void *argument)
{
    int bits = look(55);
    pid_t child = fork();
    if (child == 0) {
        bits |= (*zero_here() != 55) << 8;
        bits |= in_new_thread() << 9;
        _exit(bits != 0);
    }
    int status;
    waitpid(child, &status, 0);
    return (void *)(intptr_t)(bits | status << 16);
}

static void use(const char *name)
{
    pthread_t threads[8], second;
    void *result;
    int bits = 0;
    pthread_barrier_init(&opened, 0, 9);
    pthread_barrier_init(&done, 0, 9);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], 0, early, (void *)(intptr_t)(i + 1));
    handle = dlopen(name, RTLD_NOW);
    if (!handle) {
        puts(dlerror());
        _exit(1);
    }
    initialised_here = dlsym(handle, "initialised_here");
    zero_here = dlsym(handle, "zero_here");
    hidden_here = dlsym(handle, "hidden_here");
    pointer_here = dlsym(handle, "pointer_here");
    large_here = dlsym(handle, "large_here");
    all_aligned = dlsym(handle, "all_aligned");
    pthread_barrier_wait(&opened);
    printf("the opener %x\n", look(100));
    pthread_barrier_wait(&done);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &result);
        bits |= (int)(intptr_t)result;
    }
    printf("threads before %x, after %x\n", bits, in_new_thread());
    pthread_create(&second, 0, forking, 0);
    pthread_join(second, &result);
    printf("a thread that forks %lx\n", (long)result);
    printf("the opener's value %d\n", *zero_here());
}

int main(void)
{
    use("./libgeneral.so");
    use("./libdescriptors.so");
    return 0;
}
