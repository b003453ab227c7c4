// The elements of LD_LIBRARY_PATH as musl reads them: nothing between two colons is not the current directory, a semicolon is part of a name, and $ORIGIN is no token.
// The program's own path knows the token, and has no current directory either.
//# libc: musl
//# rpath: no
//# lib: library.c -> libhere.so
//# lib: library.c -> a;b/libsemicolon.so
//# lib: library.c -> plug/liborigin.so
//# lib: library.c -> own/libown.so
//# flags: -Wl,-rpath,:$ORIGIN/own::
//# env: LD_LIBRARY_PATH=:@DIR@/a;b::$ORIGIN/plug:
//# stdout: libhere.so: not found
//# stdout: libsemicolon.so: found
//# stdout: liborigin.so: not found
//# stdout: libown.so: found
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    const char *names[] = {"libhere.so", "libsemicolon.so", "liborigin.so", "libown.so"};
    for (int i = 0; i < 4; i++)
        printf("%s: %s\n", names[i], dlopen(names[i], RTLD_NOW) ? "found" : "not found");
    return 0;
}
