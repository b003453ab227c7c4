// Static objects over libraries, thread_local destructors, iostreams, std::thread and call_once.
//# libc: glibc
//# lib: b.cc -> libb.so
//# flags: libb.so -pthread
//# stdout: library object made
//# stdout: program object made
//# stdout: thread_local destroyed in thread
//# stdout: once
//# stdout: joined
//# stdout: main ends
//# stdout: thread_local destroyed in main
//# stdout: program object gone
//# stdout: library object gone
#include <iostream>
#include <mutex>
#include <thread>

extern int library_value();
struct Program {
    Program() { library_value(); std::cout << "program object made" << std::endl; }
    ~Program() { std::cout << "program object gone" << std::endl; }
} program;

struct Local {
    const char *where = "main";
    ~Local() { std::cout << "thread_local destroyed in " << where << std::endl; }
};
thread_local Local local;
std::once_flag flag;

int main()
{
    std::thread([] { local.where = "thread"; }).join();
    for (int i = 0; i < 2; i++)
        std::thread([] { std::call_once(flag, [] { std::cout << "once" << std::endl; }); }).join();
    std::cout << "joined" << std::endl;
    local.where = "main";
    std::cout << "main ends" << std::endl;
    return 0;
}
