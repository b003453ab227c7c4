// C++: exceptions in threads and through callers, objects of threads, static objects, in the program and in an opened library.
//# libc: musl
//# lib: library.cc -> liblibrary.so
//# linkers: lld
//# stdout: static object made
//# stdout: caught thrown 7 of a thread
//# stdout: inside -9
//# stdout: a thread's object goes, of a thread
//# stdout: sum 10
//# stdout: atomic 4000
//# stdout: static object goes
#include <atomic>
#include <cstdio>
#include <dlfcn.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Static {
    Static() { std::puts("static object made"); }
    ~Static() { std::puts("static object goes"); }
};
static Static object;
static thread_local std::string own = "of a thread";

static int deep(int level)
{
    if (level == 7)
        throw std::runtime_error("thrown " + std::to_string(level) + " " + own);
    return deep(level + 1) + 1;
}

int main()
{
    std::thread([] {
        try {
            deep(0);
        } catch (const std::exception &error) {
            std::printf("caught %s\n", error.what());
        }
    }).join();
    void *handle = dlopen("./liblibrary.so", RTLD_NOW);
    if (!handle)
        return std::puts(dlerror()), 1;
    auto caught_inside = reinterpret_cast<int (*)(int)>(dlsym(handle, "caught_inside"));
    auto touch = reinterpret_cast<void (*)(const char *)>(dlsym(handle, "touch"));
    std::printf("inside %d\n", caught_inside(3));
    std::thread([touch] { touch("of a thread"); }).join();
    std::vector<int> numbers{1, 2, 3, 4};
    int sum = 0;
    for (int number : numbers)
        sum += number;
    std::printf("sum %d\n", sum);
    std::atomic<int> count{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&count] {
            for (int j = 0; j < 1000; j++)
                count++;
        });
    for (auto &thread : threads)
        thread.join();
    std::printf("atomic %d\n", count.load());
    return 0;
}
