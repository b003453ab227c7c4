// dlopen, dlsym, dlclose, dlerror in musl's words: a library with a dependency, constructors, RTLD_GLOBAL, RTLD_NOLOAD, RTLD_DEFAULT. dlclose unloads nothing: handlers
// and destructors run at exit.
//# libc: musl
//# lib: c.c -> libc_.so
//# lib: b.c -> libb.so libc_.so
//# flags: -Wl,--export-dynamic
//# stdout: c constructor
//# stdout: b constructor
//# stdout: answer 12
//# stdout: of the dependency 5
//# stdout: back 30
//# stdout: same handle 1
//# stdout: not loaded 1
//# stdout: loaded 1
//# stdout: local scope 0
//# stdout: global scope 1, the dependency's 1
//# stdout: main program 1
//# stdout: through its handle 1
//# stdout: tls 21
//# stdout: closed 0 0
//# stdout: more often than it was opened 0
//# stdout: still there 22
//# stdout: opened again 1
//# stdout: and as it was 23
//# stdout: b destructor
//# stdout: c destructor
#include <dlfcn.h>
#include <stdio.h>

int called_back(void) { return 30; }

int main(void)
{
    void *handle = dlopen("./libb.so", RTLD_LAZY);
    if (!handle)
        return puts(dlerror()), 1;
    int (*next_tls)(void) = dlsym(handle, "next_tls");
    printf("answer %d\n", ((int (*)(void))dlsym(handle, "answer"))());
    printf("of the dependency %d\n", ((int (*)(void))dlsym(handle, "deeper"))());
    printf("back %d\n", ((int (*)(void))dlsym(handle, "back"))());
    printf("same handle %d\n", dlopen("./libb.so", RTLD_NOW) == handle);
    printf("not loaded %d\n", dlopen("./absent.so", RTLD_NOLOAD | RTLD_NOW) == NULL);
    printf("loaded %d\n", dlopen("./libb.so", RTLD_NOLOAD | RTLD_NOW) == handle);
    printf("local scope %d\n", dlsym(RTLD_DEFAULT, "answer") != NULL);
    dlopen("./libb.so", RTLD_NOW | RTLD_GLOBAL);
    printf("global scope %d, the dependency's %d\n", dlsym(RTLD_DEFAULT, "answer") != NULL, dlsym(RTLD_DEFAULT, "deeper") != NULL);
    printf("main program %d\n", dlsym(dlopen(NULL, RTLD_NOW), "called_back") == (void *)called_back);
    printf("through its handle %d\n", dlsym(dlopen(NULL, RTLD_NOW), "answer") != NULL);
    printf("tls %d\n", next_tls());
    printf("closed %d %d\n", dlclose(handle), dlclose(handle));
    int refused = 0;
    for (int i = 0; i < 10; i++)
        refused += dlclose(handle) != 0;
    printf("more often than it was opened %d\n", refused);
    printf("still there %d\n", next_tls());
    printf("opened again %d\n", dlopen("./libb.so", RTLD_NOW) == handle);
    printf("and as it was %d\n", next_tls());
    return 0;
}
