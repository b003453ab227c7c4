// A library refers to the program by a distance of 32 bits, and programs lie far from where libraries are mapped: it is mapped near the program. (glibc's loader stores the low half
// of the distance, and says so.)
//# linkers: bfd
//# lib: b.S -> libb.so
//# flags: -fPIC libb.so -Wl,--export-dynamic
//# after: swap libb.so 1800000001000000 0200000001000000
//# oracle: no
//# stdout: ok distance
#define BARE_MAIN
#include "bare.h"

char target[24] = "here, not in the library";
extern int library_distance[2];

int bare_main(long *stack)
{
    char *volatile expected = target;
    check((char *)library_distance + library_distance[0] == expected, "distance");
    return 0;
}
