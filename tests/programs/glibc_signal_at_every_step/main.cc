// A signal arrives after every single instruction of parts of a dlopen and a dlclose (of all of it in the long suite), and its handler looks at all
// modules, or throws and catches, or looks up a symbol that is there, or one that is not, and reads the text. The system's loader is not asked: it waits
// for itself.
//# libc: glibc
//# lib: needed.cc -> libneeded.so -nostdlib
//# lib: plain.cc -> libplain.so libneeded.so -nostdlib
//# oracle: no
//# linkers: bfd
//# bind: lazy
//# modes: interp
//# stdout: iterate: wrong 0, steps enough 1
//# stdout: throw: wrong 0, steps enough 1
//# stdout: look up: wrong 0, steps enough 1
//# stdout: fail: wrong 0, steps enough 1
//# stdout: still opens 42
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include "steps.h"

static int wrong;
static void *kept;

static void open_and_close()
{
    void *library = dlopen("./libplain.so", RTLD_NOW);
    auto answer = library ? reinterpret_cast<int (*)()>(dlsym(library, "answer")) : nullptr;
    wrong += !answer || answer() != 42;
    wrong += dlclose(library) != 0;
}

static int count(dl_phdr_info *info, size_t, void *data)
{
    *static_cast<int *>(data) += info->dlpi_phnum > 0 && info->dlpi_phdr[0].p_type < 100 && info->dlpi_name != nullptr;
    return 0;
}

static void iterate(long)
{
    int modules = 0;
    dl_iterate_phdr(count, &modules);
    wrong += modules < 5 || modules > 9;
}

static __attribute__((noinline)) void throws(long step) { throw step; }

static void throw_and_catch(long step)
{
    try {
        throws(step);
        wrong++;
    } catch (long caught) {
        wrong += caught != step;
    }
}

static void look_up(long)
{
    wrong += dlsym(RTLD_DEFAULT, "puts") == nullptr;
    wrong += dlsym(kept, "needed") == nullptr;
}

static void fail_to_look_up(long step)
{
    char name[32];
    snprintf(name, sizeof name, "absent%ld", step);
    const char *text = dlsym(kept, name) ? nullptr : dlerror();
    wrong += !text || !strstr(text, name);
}

static void fail_and_tell()
{
    for (int i = 0; i < 3; i++) {
        dlsym(kept, "absent");
        // Whose text it is nobody can say: the handler's calls are this thread's.
        dlerror();
    }
}

static void try_it(const char *what, void (*action)(long), void (*function)() = open_and_close)
{
    wrong = 0;
    long count = step_through(function, action);
    printf("%s: wrong %d, steps enough %d\n", what, wrong, count > 1000);
}

int main()
{
    setbuf(stdout, nullptr);
    kept = dlopen("./libneeded.so", RTLD_NOW);
    // What the handlers use is bound, and the unwinder has its tables, before the first step.
    throw_and_catch(1);
    open_and_close();
    dlclose(kept);
    kept = dlopen("./libneeded.so", RTLD_NOW);
    try_it("iterate", iterate);
    try_it("throw", throw_and_catch);
    try_it("look up", look_up);
    try_it("fail", fail_to_look_up, fail_and_tell);
    void *library = dlopen("./libplain.so", RTLD_NOW);
    printf("still opens %d\n", library ? reinterpret_cast<int (*)()>(dlsym(library, "answer"))() : -1);
    return 0;
}
