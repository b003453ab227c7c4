// A resolver calls a function of a library that comes later in the order and that its own library does not name (BZ 31986): all plain words of all
// modules are final before the first resolver runs. The system's loader is not asked: it relocates module by module.
//# libc: glibc
//# lib: helper.c -> libhelper.so
//# lib: chooser.c -> libchooser.so
//# lib: chooser.c -> liblate.so libhelper.so
//# lib: empty.c -> libboth.so libchooser.so libhelper.so
//# lib: empty.c -> libtwo.so libhelper.so libchooser.so
//# flags: -rdynamic
//# oracle: no
//# stdout: libboth.so 84
//# stdout: libtwo.so 84
//# stdout: liblate.so 84
#include <dlfcn.h>
#include <stdio.h>

static void open_it(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW);
    int (*ask)(void) = handle ? (int (*)(void))dlsym(handle, "ask") : NULL;
    if (ask)
        printf("%s %d\n", name, ask());
    else
        puts(dlerror());
    if (handle)
        dlclose(handle);
}

int main(void)
{
    open_it("libboth.so");
    open_it("libtwo.so");
    open_it("liblate.so");
    return 0;
}
