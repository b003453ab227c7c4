// Signal handlers, on the alternate stack and in threads, that call a function whose slot is not bound yet; abort.
//# libc: glibc
//# lib: b.c -> libb.so
//# flags: libb.so
//# stdout: handler 3
//# stdout: alternate stack 1
//# stdout: in thread 1
//# signal: 6
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

extern int three(void);
static volatile int seen, on_alternate, in_thread;
static char alternate[65536];
static pthread_t thread;
static void handler(int number)
{
    char here;
    seen = three();
    on_alternate = &here >= alternate && &here < alternate + sizeof alternate;
}
static void thread_handler(int number) { in_thread = pthread_equal(pthread_self(), thread); }
static void *wait_for_it(void *argument)
{
    while (!in_thread)
        sched_yield();
    return NULL;
}

int main(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    printf("handler %d\nalternate stack %d\n", seen, on_alternate);
    signal(SIGUSR2, thread_handler);
    pthread_create(&thread, NULL, wait_for_it, NULL);
    pthread_kill(thread, SIGUSR2);
    pthread_join(thread, NULL);
    printf("in thread %d\n", in_thread);
    fflush(stdout);
    abort();
}
