// malloc replaced by a library.
//# libc: musl
//# lib: ../musl_malloc_of_the_program/allocator.c -> liballocator.so
//# flags: liballocator.so
//# stdout: strdup 1
//# stdout: asprintf 1 12
//# stdout: a file 1
//# stdout: getline 1 one line
//# stdout: getcwd 1
//# stdout: allocations 1
//# stdout: thread 1
//# stdout: aligned_alloc 1 Out of memory
#include "../musl_malloc_of_the_program/check.h"

int main(void)
{
    check();
    return 0;
}
