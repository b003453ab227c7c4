// Destructors of thread-local objects of the program and of an opened library run when their thread ends.
//# libc: glibc
//# lib: b.cc -> libb.so
//# flags: -pthread
//# stdout: program's made
//# stdout: library's made
//# stdout: library's destroyed
//# stdout: program's destroyed
//# stdout: joined
#include <cstdio>
#include <dlfcn.h>
#include <thread>

struct Noisy {
    Noisy() { std::puts("program's made"); }
    ~Noisy() { std::puts("program's destroyed"); }
    int value = 1;
};
static thread_local Noisy noisy;

int main()
{
    void *handle = dlopen("libb.so", RTLD_NOW);
    if (!handle) {
        std::puts(dlerror());
        return 1;
    }
    auto touch = reinterpret_cast<int (*)()>(dlsym(handle, "touch"));
    int sum = 0;
    std::thread([&] { sum = noisy.value + touch(); }).join();
    std::puts("joined");
    return sum - 3;
}
