// A long table of function slots waits for its calls: from a constructor, from threads at the same time, from a handler, with all the registers that arguments
// go in; a function that is there twice is the first one, also when another one comes later; a weak one that is nowhere is found when it is there.
//# libc: glibc
//# lib: a.c -> liba.so
//# lib: b.c -> libb.so -Wl,-z,lazy liba.so
//# lib: late.c -> liblate.so
//# flags: -Wl,-z,lazy -pthread libb.so liba.so -Wl,--allow-shlib-undefined
//# bind: lazy
//# stdout: constructor 7800, modules 1
//# stdout: wrong 0
//# stdout: same 1
//# stdout: late 7 5
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "many.h"

extern long sum_of_the_constructor(void);
extern int modules(void);
extern int late(void) __attribute__((weak));
#define DECLARE(name) extern long name(long, long, long, long, long, long, double, double, double *);
ALL(DECLARE)

static volatile int wrong;

#define CALL(name) \
    wrong += name(1, 10, 100, 1000, 10000, 100000, 0.5, 0.25, &out) != 654321 + 5 || out != 0; \
    wrong += name(7, 0, 0, 0, 0, 0, x, 1, &out) != 7 + 5 || out != x - 2;

static void *call_all(void *argument)
{
    double x = *(int *)argument, out;
    ALL(CALL)
    return 0;
}

static void handler(int signal)
{
    call_all(&signal);
}

int main(void)
{
    printf("constructor %ld, modules %d\n", sum_of_the_constructor(), modules() >= 4);
    stack_t other = {.ss_sp = (char[32768]){0}, .ss_size = 32768};
    sigaltstack(&other, 0);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, 0);
    pthread_t threads[4];
    int numbers[4] = {1, 2, 3, 4};
    for (int each = 0; each < 4; each++)
        pthread_create(&threads[each], 0, call_all, &numbers[each]);
    raise(SIGUSR1);
    for (int each = 0; each < 4; each++)
        pthread_join(threads[each], 0);
    printf("wrong %d\n", wrong);
    printf("same %d\n", (void *)f123 == dlsym(RTLD_DEFAULT, "f123"));
    if (!dlopen("./liblate.so", RTLD_NOW | RTLD_GLOBAL))
        return puts(dlerror()), 1;
    double out;
    printf("late %d %ld\n", late(), f299(0, 0, 0, 0, 0, 0, 0, 0, &out));
    return 0;
}
