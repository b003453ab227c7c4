// dlopen, dlsym, dlclose, dlerror: a library with a dependency, constructors, RTLD_GLOBAL, RTLD_NOLOAD, RTLD_DEFAULT.
//# libc: glibc
//# lib: c.c -> libc_.so
//# lib: b.c -> libb.so libc_.so
//# flags: -Wl,--export-dynamic
//# stdout: c constructor
//# stdout: b constructor
//# stdout: answer 12
//# stdout: back 30
//# stdout: same handle 1
//# stdout: not loaded 1
//# stdout: local scope 0
//# stdout: global scope 1
//# stdout: main program 1
//# stdout: error ./absent.so: cannot open shared object file: No such file or directory
//# stdout: error once 0
//# stdout: error ./libb.so: undefined symbol: nothing_of_this_name
//# stdout: tls 21
#include <dlfcn.h>
#include <stdio.h>

int called_back(void) { return 30; }

int main(void)
{
    void *handle = dlopen("./libb.so", RTLD_LAZY);
    if (!handle)
        return puts(dlerror()), 1;
    printf("answer %d\n", ((int (*)(void))dlsym(handle, "answer"))());
    printf("back %d\n", ((int (*)(void))dlsym(handle, "back"))());
    printf("same handle %d\n", dlopen("./libb.so", RTLD_NOW) == handle);
    printf("not loaded %d\n", dlopen("./absent.so", RTLD_NOLOAD | RTLD_NOW) == NULL);
    printf("local scope %d\n", dlsym(RTLD_DEFAULT, "answer") != NULL);
    dlopen("./libb.so", RTLD_NOW | RTLD_GLOBAL);
    printf("global scope %d\n", dlsym(RTLD_DEFAULT, "answer") != NULL);
    printf("main program %d\n", dlsym(dlopen(NULL, RTLD_NOW), "called_back") == (void *)called_back);
    dlerror();
    dlopen("./absent.so", RTLD_NOW);
    printf("error %s\n", dlerror());
    printf("error once %d\n", dlerror() != NULL);
    dlsym(handle, "nothing_of_this_name");
    printf("error %s\n", dlerror());
    printf("tls %d\n", ((int (*)(void))dlsym(handle, "next_tls"))());
    return dlclose(handle);
}
