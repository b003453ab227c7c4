// Libraries that need one another in a circle are initialised and finalised in the same order under both loaders, by dlopen and dlclose, whichever of them is
// opened (BZ 30785).
//# libc: glibc
//# lib: part.c -> liba.so -DNAME="a"
//# lib: part.c -> libb.so -DNAME="b" liba.so
//# lib: part.c -> libc_.so -DNAME="c" libb.so
//# lib: part.c -> liba.so -DNAME="a" libc_.so
//# lib: part.c -> libtop.so -DNAME="top" libb.so
//# stdout-any: yes
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    setbuf(stdout, NULL);
    static const char *const names[] = {"./libtop.so", "./liba.so", "./libb.so", "./libc_.so"};
    for (int i = 0; i < 4; i++) {
        dlclose(dlopen(names[i], RTLD_NOW));
        puts("closed");
    }
    return 0;
}
