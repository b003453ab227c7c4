// A library with DF_SYMBOLIC looks into itself first, also for a reference that the linker left to the loader: only
// lld can make such a file (a name of --dynamic-list stays open in spite of -Bsymbolic).
//# linkers: lld
//# lib: b.c -> libb.so -Wl,-Bsymbolic -Wl,--dynamic-list=@SOURCE@/open.list
//# flags: libb.so -Wl,--export-dynamic
//# stdout: function 2
//# stdout: pointer 2
//# stdout: data 20
//# stdout: program 1
#define BARE_MAIN
#include "bare.h"

int chosen(void) { return 1; }
int datum = 10;
extern int library_call(void), library_pointer(void), library_datum(void);

int bare_main(long *stack)
{
    report("function", library_call());
    report("pointer", library_pointer());
    report("data", library_datum());
    report("program", chosen());
    return 0;
}
