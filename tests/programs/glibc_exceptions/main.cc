// An exception is thrown in one library and caught in another, and one passes through a callback of the loader's
// dl_iterate_phdr and through qsort.
//# libc: glibc
//# lib: b.cc -> libb.so
//# flags: libb.so
//# stdout: caught thrown by the library
//# stdout: destructors 1
//# stdout: through dl_iterate_phdr 7
//# stdout: through qsort 8
//# stdout: dynamic_cast 1
//# stdout: typeid 1
#include <cstdio>
#include <cstdlib>
#include <link.h>
#include <stdexcept>
#include <typeinfo>
#include "b.h"

static int destructors;
struct Guard {
    ~Guard() { destructors++; }
};

static int callback(dl_phdr_info *, size_t, void *) { throw 7; }
static int compare(const void *, const void *) { throw 8; }

int main()
{
    try {
        Guard guard;
        library_throws();
    } catch (const std::runtime_error &error) {
        printf("caught %s\n", error.what());
    }
    printf("destructors %d\n", destructors);
    try {
        dl_iterate_phdr(callback, nullptr);
    } catch (int number) {
        printf("through dl_iterate_phdr %d\n", number);
    }
    try {
        int numbers[] = {2, 1};
        qsort(numbers, 2, sizeof *numbers, compare);
    } catch (int number) {
        printf("through qsort %d\n", number);
    }
    Base *object = library_makes();
    printf("dynamic_cast %d\n", dynamic_cast<Derived *>(object) != nullptr);
    printf("typeid %d\n", typeid(*object) == typeid(Derived));
    delete object;
    return 0;
}
