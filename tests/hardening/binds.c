// Opens libraries that nothing can close any more, though nobody asks for that by name: the first argument, because a library of the start (this file with
// CALLER defined) refers to it; and what the second one needs, which is opened for good. Shows its memory.
#ifdef CALLER
int plugin(void);
int call(void) { return plugin(); }
#else
#include <dlfcn.h>
#include <stdio.h>

void show(const char *when);
int call(void);

int main(int argc, char **argv)
{
    void *handle = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!handle || call() != 1 || dlclose(handle))
        return puts("not bound"), 1;
    if (!dlopen(argv[2], RTLD_NOW | RTLD_NODELETE))
        return puts(dlerror()), 1;
    show("opened");
    return 0;
}
#endif
