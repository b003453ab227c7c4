// As glibc_open_in_a_handler_at_every_step, in a thread whose alternate signal stack, on which the handler runs, lies above its own stack. The first
// steps are those in which libc's mutex is taken. The system's loader is not asked: it waits for its own thread.
//# libc: glibc
//# lib: ../glibc_signal_at_every_step/needed.cc -> libother.so -nostdlib
//# flags: -pthread
//# oracle: no
//# linkers: bfd
//# bind: lazy
//# modes: interp
//# stdout: wrong 0, all steps 1, opened 1, refused 1
//# stdout: still opens 1
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include "steps.h"

enum { ROOM = 1 << 20, STEPS = 400 };

static int wrong, opened, refused;

static void open_other()
{
    void *library = dlopen("./libother.so", RTLD_NOW | RTLD_NOLOAD);
    const char *text = library ? "" : dlerror();
    opened += library != nullptr;
    refused += library == nullptr;
    wrong += !text || (!library && !strstr(text, "busy"));
    if (library)
        wrong += dlclose(library) != 0;
}

static void trapped_above(int, siginfo_t *, void *context)
{
    open_other();
    if (++steps == STEPS)
        static_cast<ucontext_t *>(context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void *run(void *above)
{
    stack_t stack = {};
    stack.ss_sp = above;
    stack.ss_size = ROOM;
    sigaltstack(&stack, nullptr);
    void *handle = dlopen("./libother.so", RTLD_NOW);
    struct sigaction action = {};
    action.sa_sigaction = trapped_above;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGTRAP, &action, nullptr);
    on(SIGALRM, begin_window);
    // The steps begin in libc's `raise` and go on into the loader: the whole of a call that fails early, and more.
    while (steps < STEPS) {
        raise(SIGALRM);
        dlclose(nullptr);
    }
    return handle;
}

int main()
{
    setbuf(stdout, nullptr);
    char *room = static_cast<char *>(mmap(nullptr, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, room, ROOM);
    pthread_t thread;
    void *handle = nullptr;
    if (pthread_create(&thread, &attributes, run, room + ROOM))
        return 1;
    pthread_join(thread, &handle);
    printf("wrong %d, all steps %d, opened %d, refused %d\n", wrong, steps == STEPS, opened > 0, refused > 0);
    printf("still opens %d\n", handle && dlopen("./libother.so", RTLD_NOW) == handle);
    return 0;
}
