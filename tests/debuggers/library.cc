// A library for looking into: thread-local storage, exceptions, memory that nobody gives back, and a read of what was never written.

#include <cstdlib>
#include <stdexcept>

extern "C" {
__thread int library_tls = 7;

__attribute__((noinline)) int work(int number) {
    library_tls += number;
    return library_tls;
}

__attribute__((noinline)) void throwing(int number) {
    if (number >= 0) throw std::runtime_error("thrown");
}

__attribute__((noinline)) void *leak(size_t size) { return malloc(size); }

__attribute__((noinline)) int undefined(void) {
    int *words = static_cast<int *>(malloc(2 * sizeof(int)));
    int answer = words[1] > 3 ? 1 : 2;
    free(words);
    return answer;
}
}
