// Libraries, threads and exceptions together, and then one fault, if the argument asks for one.

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <thread>

static int shared;

int main(int argc, char **argv) {
    const char *fault = argc > 1 ? argv[1] : "";
    void *library = dlopen("./library.so", RTLD_NOW);
    if (!library) return puts(dlerror());
    auto throwing = reinterpret_cast<void (*)(int)>(dlsym(library, "throwing"));
    auto leak = reinterpret_cast<void *(*)(size_t)>(dlsym(library, "leak"));
    auto undefined = reinterpret_cast<int (*)()>(dlsym(library, "undefined"));
    // The loader of glibc 2.36 lets threads share memory in a way that ThreadSanitizer reports, so that only the clean run does this.
    if (!*fault) {
        auto body = [&] {
            for (int i = 0; i < 20; i++) {
                try {
                    throwing(i);
                } catch (const std::exception &) {
                }
                void *other = dlopen("./other.so", RTLD_NOW);
                if (!other || dlclose(other)) abort();
            }
        };
        std::thread one(body), two(body);
        one.join();
        two.join();
    }
    if (!strcmp(fault, "race")) {
        std::thread one([] { shared++; }), two([] { shared++; });
        one.join();
        two.join();
    }
    if (!strcmp(fault, "freed")) {
        char *text = static_cast<char *>(malloc(10));
        free(text);
        return text[3];
    }
    if (!strcmp(fault, "leak")) {
        void *volatile lost = leak(123);
        lost = nullptr;
    }
    if (!strcmp(fault, "undefined")) undefined();
    puts("done");
    return 0;
}
