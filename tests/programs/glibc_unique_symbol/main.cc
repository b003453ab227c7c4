// STB_GNU_UNIQUE: the static object of an inline function is one in the process, though each library is opened with
// RTLD_LOCAL.
//# libc: glibc
//# lib: b.cc -> libb.so
//# lib: c.cc -> libc_.so
//# stdout: 1 2 3
#include <cstdio>
#include <dlfcn.h>

static int next(const char *library)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    auto count = reinterpret_cast<int (*)()>(dlsym(handle, "count"));
    return count ? count() : -1;
}

int main()
{
    int one = next("./libb.so"), two = next("./libc_.so"), three = next("./libb.so");
    printf("%d %d %d\n", one, two, three);
}
