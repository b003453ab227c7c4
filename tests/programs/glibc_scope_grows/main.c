// A library joins the scope of one that is opened later and needs it: what it looks up afterwards, by dlsym or by calling a function that nothing
// defined before, is found there, and keeps it loaded.
//# libc: glibc
//# lib: needed.c -> libneeded.so
//# lib: sibling.c -> libsibling.so
//# lib: user.c -> libuser.so -Wl,--no-as-needed libneeded.so libsibling.so
//# flags-lld: -Wl,-z,lazy
//# bind: lazy
//# stdout: user: not found, sibling: not found
//# stdout: user: found, sibling: found
//# stdout: calls 42
//# stdout: program finds user: 0
//# stdout: after closing: 1
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    void *needed = dlopen("./libneeded.so", RTLD_LAZY);
    void (*look)(void) = (void (*)(void))dlsym(needed, "look");
    int (*call)(void) = (int (*)(void))dlsym(needed, "call");
    look();
    void *user = dlopen("./libuser.so", RTLD_LAZY);
    look();
    printf("calls %d\n", call());
    printf("program finds user: %d\n", dlsym(RTLD_DEFAULT, "user") != NULL);
    dlclose(user);
    printf("after closing: %d\n", dlopen("./libuser.so", RTLD_LAZY | RTLD_NOLOAD) != NULL);
    return 0;
}
