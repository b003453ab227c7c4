// A signal arrives after every single instruction of parts of a dlopen and a dlclose (of all of it in the long suite), and its handler opens or
// closes a library itself, which is done or refused with a text, and never waits for its own thread; also while the kernel has no memory. The system's loader
// is not asked: it waits.
//# libc: glibc
//# lib: ../glibc_signal_at_every_step/needed.cc -> libneeded.so -nostdlib
//# lib: ../glibc_signal_at_every_step/plain.cc -> libplain.so libneeded.so -nostdlib
//# lib: ../glibc_signal_at_every_step/needed.cc -> libother.so -nostdlib
//# oracle: no
//# linkers: bfd
//# bind: lazy
//# modes: interp
//# stdout: open: wrong 0, steps enough 1, opened and refused 1
//# stdout: open without memory: wrong 0, steps enough 1
//# stdout: close: wrong 0, steps enough 1
//# stdout: still opens 42
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <sys/resource.h>
#include "steps.h"

static int wrong, opened, refused;

static void open_and_close()
{
    void *library = dlopen("./libplain.so", RTLD_NOW);
    auto answer = library ? reinterpret_cast<int (*)()>(dlsym(library, "answer")) : nullptr;
    wrong += !answer || answer() != 42;
    wrong += dlclose(library) != 0;
}

static void open_other(long step)
{
    if (step % 61)
        return;
    void *library = dlopen("./libother.so", RTLD_NOW);
    const char *text = library ? "" : dlerror();
    opened += library != nullptr;
    refused += library == nullptr;
    wrong += !text || (!library && !strstr(text, "busy"));
    if (library)
        wrong += dlclose(library) != 0;
}

// Where it interrupts lode's use of its own memory, there is neither that nor more of the kernel's.
static void open_without_memory(long)
{
    rlimit before;
    getrlimit(RLIMIT_AS, &before);
    rlimit nothing = {0, before.rlim_max};
    setrlimit(RLIMIT_AS, &nothing);
    const char *text = dlopen("./libother.so", RTLD_NOW) ? "" : dlerror();
    setrlimit(RLIMIT_AS, &before);
    wrong += !text || (!strstr(text, "busy") && !strstr(text, "annot allocate memory"));
}

// Closes what it opened before the first step.
static void close_other(long step)
{
    static void *library;
    if (step % 61 == 0 && library) {
        wrong += dlclose(library) != 0;
        library = nullptr;
    }
    if (step % 61 == 30 && !library)
        library = dlopen("./libother.so", RTLD_NOW);
}

static void try_it(const char *what, void (*action)(long))
{
    wrong = opened = refused = 0;
    long count = step_through(open_and_close, action);
    printf("%s: wrong %d, steps enough %d", what, wrong, count > 1000);
    if (action == open_other)
        printf(", opened and refused %d", opened > 0 && refused > 0);
    puts("");
}

int main()
{
    setbuf(stdout, nullptr);
    open_and_close();
    try_it("open", open_other);
    try_it("open without memory", open_without_memory);
    try_it("close", close_other);
    void *library = dlopen("./libplain.so", RTLD_NOW);
    printf("still opens %d\n", library ? reinterpret_cast<int (*)()>(dlsym(library, "answer"))() : -1);
    return 0;
}
