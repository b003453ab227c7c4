// A constructor opens the library that is being opened, which waits for its turn; a sibling, whose constructor runs at once; and a new library that
// needs the first one, for which it has to be initialised. A library of the start opens another one.
//# libc: glibc
//# lib: sibling.c -> libsibling.so
//# lib: inner.c -> libinner.so
//# lib: outer.c -> libouter.so -Wl,--no-as-needed libinner.so libsibling.so
//# lib: user.c -> libuser.so -Wl,--no-as-needed libouter.so
//# lib: early.c -> libearly.so
//# lib: late.c -> liblate.so
//# flags: -Wl,--no-as-needed liblate.so libearly.so
//# stdout-any: yes
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    setbuf(stdout, NULL);
    puts("main");
    void *outer = dlopen("./libouter.so", RTLD_NOW);
    printf("opened %d\n", outer != NULL);
    printf("closed %d\n", dlclose(outer));
    printf("there %d\n", dlopen("./libouter.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
    return !outer;
}
