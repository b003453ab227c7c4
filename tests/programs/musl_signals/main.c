// Signals: handlers on the stack and on one of their own, in threads, with thread-local data; setjmp out of them; abort.
//# libc: musl
//# stdout: main thread 11, another 21
//# stdout: jumped 5, from the other stack 1
//# stdout: Segmentation fault
//# signal: 6
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread volatile int own = 1;
static sigjmp_buf back;
static volatile int on_other_stack;
static char *other;

static void count(int signal) { own += 10; }
static void jump(int signal)
{
    char local;
    on_other_stack = &local > other && &local < other + 65536;
    siglongjmp(back, 5);
}

static void *thread(void *argument)
{
    raise(SIGUSR1);
    raise(SIGUSR1);
    return (void *)(long)own;
}

int main(void)
{
    pthread_t id;
    void *result;
    struct sigaction action = {.sa_handler = count}, fault = {.sa_handler = jump, .sa_flags = SA_ONSTACK};
    stack_t stack = {.ss_sp = other = malloc(65536), .ss_size = 65536};
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGSEGV, &fault, 0);
    sigaltstack(&stack, 0);
    raise(SIGUSR1);
    pthread_create(&id, 0, thread, 0);
    pthread_join(id, &result);
    printf("main thread %d, another %ld\n", own, (long)result);
    int jumped = sigsetjmp(back, 1);
    if (!jumped)
        *(volatile int *)8 = 1;
    printf("jumped %d, from the other stack %d\n", jumped, on_other_stack);
    printf("%s\n", strsignal(SIGSEGV));
    fflush(stdout);
    abort();
}
