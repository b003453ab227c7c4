// Zero-filled memory behind the file's bytes: the rest of the last page, and pages beyond, in the program and in a
// library, writable.
//# lib: b.c -> libb.so
//# flags: libb.so
//# stdout: ok program's zeros
//# stdout: ok library's zeros
//# stdout: written 255
#define BARE_MAIN
#include "bare.h"

static volatile char data[100] = {1};
static volatile char zeros[100000];
extern volatile char library_zeros[300000], library_data[10];

static int all_zero(const volatile char *bytes, long count)
{
    int sum = 0;
    for (long i = 0; i < count; i++)
        sum |= bytes[i];
    return sum == 0;
}

int bare_main(long *stack)
{
    check(data[0] == 1 && all_zero(zeros, sizeof zeros), "program's zeros");
    check(library_data[0] == 2 && all_zero(library_zeros, sizeof library_zeros), "library's zeros");
    zeros[99999] = 127;
    library_zeros[299999] = 127;
    library_zeros[0] = 1;
    report("written", zeros[99999] + library_zeros[299999] + library_zeros[0]);
    return 0;
}
