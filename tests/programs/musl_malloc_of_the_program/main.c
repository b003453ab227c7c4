// malloc replaced by the program: libc's own functions use it, and aligned_alloc, which nobody replaced, fails.
//# libc: musl
//# flags: allocator.c
//# stdout: strdup 1
//# stdout: asprintf 1 12
//# stdout: a file 1
//# stdout: getline 1 one line
//# stdout: getcwd 1
//# stdout: allocations 1
//# stdout: thread 1
//# stdout: aligned_alloc 1 Out of memory
#include "check.h"

int main(void)
{
    check();
    return 0;
}
