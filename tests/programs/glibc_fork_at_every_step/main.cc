// One thread stands still in the middle of a dlopen or a dlclose, at one instruction after the other, while another thread forks: the child looks at all
// modules and symbols, opens and closes the same libraries, throws, starts a thread, and ends in time. In parts, or, in the long suite, from the first to the
// last instruction. The system's loader is not asked: its children may wait for ever.
//# libc: glibc
//# lib: ../glibc_signal_at_every_step/needed.cc -> libneeded.so -nostdlib
//# lib: ../glibc_signal_at_every_step/plain.cc -> libplain.so libneeded.so -nostdlib
//# lib: value.cc -> libvalue.so -nostdlib
//# flags: -pthread
//# oracle: no
//# linkers: bfd
//# bind: lazy
//# modes: interp
//# stdout: children: wrong 0, enough 1
#include <atomic>
#include <cstdio>
#include <ctime>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
#include "steps.h"

static std::atomic<int> asked, forked, over;
static int wrong, children;

static int count(dl_phdr_info *info, size_t, void *data)
{
    *static_cast<int *>(data) += info->dlpi_phnum > 0 && info->dlpi_phdr[0].p_type < 100 && info->dlpi_name != nullptr;
    return 0;
}

static int call(void *library, const char *name)
{
    auto function = library ? reinterpret_cast<int (*)()>(dlsym(library, name)) : nullptr;
    return function ? function() : -1;
}

static void *touch(void *library) { return reinterpret_cast<void *>(call(library, "value") == 5 ? 1l : 0l); }

// What a child does; the answer says which of it went wrong.
static int child()
{
    alarm(15);
    int modules = 0;
    dl_iterate_phdr(count, &modules);
    if (modules < 4 || modules > 10 || !dlsym(RTLD_DEFAULT, "puts"))
        return 1;
    for (int i = 0; i < 2; i++) {
        void *plain = dlopen("./libplain.so", RTLD_NOW);
        // 0 where the thread that is not here stands in the middle of the library's constructor: nobody can run the rest of it.
        int answer = call(plain, "answer");
        if ((answer != 42 && answer != 0) || dlclose(plain))
            return 2;
    }
    void *value = dlopen("./libvalue.so", RTLD_NOW), *right = nullptr;
    pthread_t thread;
    if (call(value, "value") != 5 || pthread_create(&thread, nullptr, touch, value))
        return 3;
    pthread_join(thread, &right);
    if (!right || dlclose(value))
        return 4;
    try {
        throw 5;
    } catch (int caught) {
        return caught == 5 ? 0 : 5;
    }
}

static void *fork_when_asked(void *)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    int served = 0;
    while (!over) {
        if (asked == served) {
            sched_yield();
            continue;
        }
        served = asked;
        pid_t id = fork();
        if (id == 0) {
            pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
            _exit(child());
        }
        forked = served;
        int status = -1;
        waitpid(id, &status, 0);
        children++;
        if (status != 0) {
            wrong++;
            fprintf(stderr, "child of request %d ended with %#x\n", served, status);
        }
    }
    return nullptr;
}

static long milliseconds()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Asks for a fork and stands still until it is made, but not for long: it may need a short lock that this thread has just here.
static void ask(long step)
{
    if (step % 53)
        return;
    int request = ++asked;
    for (long begin = milliseconds(); forked != request && milliseconds() < begin + 20;)
        sched_yield();
}

static void open_and_close()
{
    void *plain = dlopen("./libplain.so", RTLD_NOW), *value = dlopen("./libvalue.so", RTLD_NOW);
    wrong += call(plain, "answer") != 42;
    wrong += dlclose(plain) != 0;
    wrong += dlclose(value) != 0;
}

int main()
{
    setbuf(stdout, nullptr);
    pthread_t thread;
    open_and_close();
    pthread_create(&thread, nullptr, fork_when_asked, nullptr);
    step_through(open_and_close, ask);
    over = 1;
    pthread_join(thread, nullptr);
    printf("children: wrong %d, enough %d\n", wrong, children > 60);
    return 0;
}
