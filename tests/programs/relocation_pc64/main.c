// R_X86_64_PC64: the distance from the place to the symbol. glibc's loader does not know it, and lld
// leaves none to a loader.
//# linkers: bfd
//# lib: b.S -> libb.so
//# flags: -fPIC libb.so -Wl,--export-dynamic
//# oracle: no
//# linkers: bfd
//# stdout: ok distance
//# stdout: ok distance with addend
#define BARE_MAIN
#include "bare.h"

char target[24] = "here, not in the library";
extern long library_distances[2];

int bare_main(long *stack)
{
    char *volatile expected = target;
    check((char *)&library_distances[0] + library_distances[0] == expected, "distance");
    check((char *)&library_distances[1] + library_distances[1] == expected + 9, "distance with addend");
    return 0;
}
