// A profiler's signal arrives again and again in threads that open, use and close libraries; its handler unwinds the stack and looks at all modules.
// The system's loader is not asked: it waits for ever or crashes (libunwind issue 16, gperftools 1583).
//# libc: glibc
//# bind: lazy
//# lib: plain.cc -> libone.so
//# lib: plain.cc -> libtwo.so
//# flags: -pthread
//# oracle: no
//# stdout: wrong 0
#include <atomic>
#include <csignal>
#include <cstdio>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <unistd.h>
#include <unwind.h>

static std::atomic<int> wrong, samples, over;

static int count(dl_phdr_info *info, size_t, void *data)
{
    *static_cast<int *>(data) += info->dlpi_phnum > 0 && info->dlpi_phdr[0].p_type < 100;
    return 0;
}

static _Unwind_Reason_Code frame(_Unwind_Context *, void *data)
{
    return ++*static_cast<int *>(data) < 64 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void sample(int)
{
    int modules = 0, frames = 0;
    dl_iterate_phdr(count, &modules);
    _Unwind_Backtrace(frame, &frames);
    wrong += modules < 4 || frames < 2;
    samples++;
}

static void *work(void *name)
{
    for (int i = 0; i < 300 || samples < 200; i++) {
        void *library = dlopen(static_cast<const char *>(name), RTLD_NOW);
        auto answer = reinterpret_cast<int (*)(int)>(dlsym(library, "answer"));
        wrong += answer(i) != i + 1;
        dlclose(library);
    }
    over++;
    return nullptr;
}

int main()
{
    pthread_t threads[2];
    struct sigaction action = {};
    action.sa_handler = sample;
    action.sa_flags = SA_RESTART;
    sigaction(SIGPROF, &action, nullptr);
    int frames = 0;
    _Unwind_Backtrace(frame, &frames);
    pthread_create(&threads[0], nullptr, work, const_cast<char *>("./libone.so"));
    pthread_create(&threads[1], nullptr, work, const_cast<char *>("./libtwo.so"));
    while (over < 2)
        for (pthread_t thread : threads)
            if (over < 2) {
                pthread_kill(thread, SIGPROF);
                usleep(50);
            }
    for (pthread_t thread : threads)
        pthread_join(thread, nullptr);
    printf("wrong %d\n", wrong.load());
    return 0;
}
