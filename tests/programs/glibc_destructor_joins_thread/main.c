// The destructor of a library that is closed waits for a thread of the library, which touches its thread-local data just then (BZ 18457).
//# libc: glibc
//# lib: worker.c -> libworker.so
//# lib: worker.c -> libdescriptor.so -mtls-dialect=gnu2
//# flags: -pthread
//# stdout: thread saw 7
//# stdout: thread saw 7
//# stdout: mapped 0 0
#include <dlfcn.h>
#include "maps.h"

int main(void)
{
    setbuf(stdout, NULL);
    dlclose(dlopen("./libworker.so", RTLD_NOW));
    dlclose(dlopen("./libdescriptor.so", RTLD_NOW));
    printf("mapped %d %d\n", is_mapped("/libworker.so"), is_mapped("/libdescriptor.so"));
    return 0;
}
