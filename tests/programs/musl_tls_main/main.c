// Thread-local variables of the program: initialised, zero, static, a pointer with a relocation, alignments up to a page, 1 MiB of zeros; in the main thread, in
// 100 threads, in the child of fork.
//# libc: musl
//# flags: variables.c
//# stdout: main thread 0
//# stdout: its values 0
//# stdout: 100 threads 0
//# stdout: child of fork 0
//# stdout: its threads 0
//# stdout: child ended with 0
//# stdout: values after that 0
#include "check.h"

int main(void)
{
    check();
    return 0;
}
