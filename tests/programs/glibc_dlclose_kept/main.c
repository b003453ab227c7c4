// What dlclose keeps: -z nodelete, RTLD_NODELETE, a unique symbol, a library that another one's symbols were bound to, a thread-local
// destructor that is still to run.
//# libc: glibc
//# lib: plain.c -> libflag.so -Wl,-z,nodelete
//# lib: plain.c -> libmode.so
//# lib: plain.c -> libglobal.so -DGLOBAL
//# lib: user.c -> libuser.so
//# lib: unique.c -> libunique.so
//# lib: guest.c -> libguest.so
//# flags: -pthread
//# stdout: libflag.so stays 1
//# stdout: libmode.so stays 1
//# stdout: libunique.so stays 1
//# stdout: libguest.so stays 1
//# stdout: thread-local destructor
//# stdout: libguest.so goes 1
//# stdout: libglobal.so stays for its user 1
//# stdout: user says 5
//# stdout: libglobal.so goes with its user 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "maps.h"

static void open_and_close(const char *path, int mode)
{
    void *handle = dlopen(path, mode);
    if (!handle)
        puts(dlerror());
    dlclose(handle);
    printf("%s stays %d\n", path + 2, is_mapped(path + 1));
}

static void *guest_in_a_thread(void *nothing)
{
    void *guest = dlopen("./libguest.so", RTLD_NOW);
    ((void (*)(void))dlsym(guest, "check_in"))();
    dlclose(guest);
    printf("libguest.so stays %d\n", is_mapped("/libguest.so"));
    return nothing;
}

int main(void)
{
    setbuf(stdout, NULL);
    open_and_close("./libflag.so", RTLD_NOW);
    open_and_close("./libmode.so", RTLD_NOW | RTLD_NODELETE);
    open_and_close("./libunique.so", RTLD_NOW);
    pthread_t thread;
    pthread_create(&thread, NULL, guest_in_a_thread, NULL);
    pthread_join(thread, NULL);
    dlclose(dlopen("./libguest.so", RTLD_NOW));
    printf("libguest.so goes %d\n", !is_mapped("/libguest.so"));
    void *global = dlopen("./libglobal.so", RTLD_NOW | RTLD_GLOBAL);
    void *user = dlopen("./libuser.so", RTLD_NOW);
    dlclose(global);
    printf("libglobal.so stays for its user %d\n", is_mapped("/libglobal.so"));
    printf("user says %d\n", ((int (*)(void))dlsym(user, "ask"))());
    dlclose(user);
    printf("libglobal.so goes with its user %d\n", !is_mapped("/libglobal.so"));
    return 0;
}
