// A weak function that is nowhere at the start is looked up at its call: what has been opened for all since serves it. Called while it is nowhere, it
// leads to address 0, and stays there.
//# libc: glibc
//# lib: needs.c -> libneeds.so -Wl,-z,lazy
//# lib: needs.c -> libopened.so -Wl,-z,lazy
//# lib: later.c -> liblater.so
//# flags: libneeds.so
//# bind: lazy
//# stdout: an early call leads to 0
//# stdout: what came 77
//# stdout: the early one leads to 0
//# stdout: of an opened library 78
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

extern int call_later(void), call_early(void);
static sigjmp_buf back;
static volatile long long where;

static void fault(int signal, siginfo_t *info, void *context)
{
    where = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    siglongjmp(back, 1);
}

static void try(const char *what, int (*call)(void))
{
    if (sigsetjmp(back, 1))
        printf("%s leads to %lld\n", what, where);
    else
        printf("%s %d\n", what, call());
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    try("an early call", call_early);
    void *opened = dlopen("libopened.so", RTLD_LAZY);
    if (!opened || !dlopen("liblater.so", RTLD_NOW | RTLD_GLOBAL))
        return puts(dlerror()), 1;
    try("what came", call_later);
    try("the early one", call_early);
    try("of an opened library", (int (*)(void))dlsym(opened, "call_early"));
    return 0;
}
