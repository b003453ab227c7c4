// A directory of the library's name ends the search, and so does a link that leads in a circle; a list's entry that is a file does not. In other processes lode
// passes over all three, as glibc does.
//# libc: musl
//# lib: library.c -> libdirectory.so
//# lib: library.c -> libloop.so
//# lib: library.c -> liblast.so
//# after: mkdir first/libdirectory.so
//# after: ln libloop.so first/libloop.so
//# env: LD_LIBRARY_PATH=@DIR@/main:@DIR@/first:@DIR@
//# stdout: libdirectory.so: Error loading shared library libdirectory.so: Is a directory
//# stdout: libloop.so: not found
//# stdout: liblast.so: found
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    void *directory = dlopen("libdirectory.so", RTLD_NOW);
    printf("libdirectory.so: %s\n", directory ? "found" : dlerror());
    printf("libloop.so: %s\n", dlopen("libloop.so", RTLD_NOW) ? "found" : "not found");
    printf("liblast.so: %s\n", dlopen("liblast.so", RTLD_NOW) ? "found" : "not found");
    return 0;
}
