// A constructor makes a thread and waits for it, at the start and inside dlopen (glibc before 2.35 waits for ever: BZ 28357).
//# libc: glibc
//# lib: worker.c -> libneeded.so
//# lib: worker.c -> libopened.so -Wl,-Bsymbolic
//# flags: libneeded.so -pthread
//# stdout: at the start: thread saw 5, modules 1
//# stdout: inside dlopen: thread saw 5, modules 1
#include <dlfcn.h>
#include <stdio.h>

static void tell(const char *when, void *handle)
{
    int *seen = dlsym(handle, "seen"), *modules = dlsym(handle, "modules");
    printf("%s: thread saw %d, modules %d\n", when, *seen, *modules > 3);
}

int main(void)
{
    tell("at the start", dlopen("libneeded.so", RTLD_NOW | RTLD_NOLOAD));
    for (int i = 0; i < 20; i++) {
        void *handle = dlopen("./libopened.so", RTLD_NOW);
        if (i == 19)
            tell("inside dlopen", handle);
        dlclose(handle);
    }
    return 0;
}
