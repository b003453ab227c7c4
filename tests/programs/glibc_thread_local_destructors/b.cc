#include <cstdio>

struct Noisy {
    Noisy() { std::puts("library's made"); }
    ~Noisy() { std::puts("library's destroyed"); }
    int value = 2;
};
static thread_local Noisy noisy;

extern "C" int touch() { return noisy.value; }
