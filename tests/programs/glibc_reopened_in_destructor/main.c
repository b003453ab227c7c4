// A library that opens itself in its destructor goes all the same, and begins anew when it is opened again.
//# libc: glibc
//# lib: phoenix.c -> libphoenix.so
//# stdout: + phoenix
//# stdout: - phoenix, opened 1
//# stdout: closed 0
//# stdout: + phoenix
//# stdout: opened again 1
//# stdout: - phoenix, opened 1
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    setbuf(stdout, NULL);
    void *handle = dlopen("./libphoenix.so", RTLD_NOW);
    printf("closed %d\n", dlclose(handle));
    handle = dlopen("./libphoenix.so", RTLD_NOW);
    printf("opened again %d\n", handle != NULL);
    return 0;
}
