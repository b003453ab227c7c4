// Exceptions pass through a hundred opened libraries, each of which cleans up, catches and throws on, in two threads, while another thread opens and closes
// libraries of the same kind: every one arrives, with the right value.
//# libc: glibc
//# lib: pass.cc -> libpass.so
//# flags: -pthread -rdynamic
//# bind: lazy
//# args: 100
//# stdout: libraries 100, wrong 0, cleaned 1, opened meanwhile 1
#include "copies.h"
#include <atomic>
#include <cstdlib>
#include <pthread.h>

enum { LIBRARIES = 100 };

int cleaned;
static void *functions[LIBRARIES + 1];
static std::atomic<int> wrong, over, opened;
static int rounds;

static void *throw_and_catch(void *)
{
    auto first = reinterpret_cast<void (*)(void **, int)>(functions[0]);
    for (int i = 0; i < rounds; i++)
        try {
            first(functions + 1, LIBRARIES - 1);
            wrong++;
        } catch (long value) {
            wrong += value != 42 + LIBRARIES - 1;
        }
    over++;
    return nullptr;
}

static void *open_and_close(void *)
{
    while (over < 2) {
        int file = copy_of("libpass.so");
        void *handle = open_descriptor(file, RTLD_NOW);
        close(file);
        void *single[] = {nullptr};
        auto pass = handle ? reinterpret_cast<void (*)(void **, int)>(dlsym(handle, "pass")) : nullptr;
        try {
            if (pass)
                pass(single, 0);
            wrong++;
        } catch (long value) {
            wrong += value != 42;
        }
        wrong += dlclose(handle) != 0;
        opened++;
    }
    return nullptr;
}

int main(int, char **arguments)
{
    rounds = atoi(arguments[1]);
    int libraries = 0;
    for (int i = 0; i < LIBRARIES; i++) {
        void *handle = open_copy("libpass.so", RTLD_NOW);
        functions[i] = handle ? dlsym(handle, "pass") : nullptr;
        libraries += functions[i] != nullptr;
    }
    pthread_t threads[3];
    pthread_create(&threads[0], nullptr, throw_and_catch, nullptr);
    pthread_create(&threads[1], nullptr, throw_and_catch, nullptr);
    pthread_create(&threads[2], nullptr, open_and_close, nullptr);
    for (pthread_t thread : threads)
        pthread_join(thread, nullptr);
    int right = 2 * rounds * LIBRARIES + opened;
    printf("libraries %d, wrong %d, cleaned %d, opened meanwhile %d\n", libraries, wrong.load(), cleaned == right, opened > 0);
    return 0;
}
