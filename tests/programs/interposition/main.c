// A definition of the program stands before the library's, also for the library's own calls and data.
//# lib: b.c -> libb.so
//# flags: libb.so -Wl,--export-dynamic
//# stdout: function 1
//# stdout: data 10
//# stdout: local 2
#define BARE_MAIN
#include "bare.h"

int chosen(void) { return 1; }
int datum = 10;
extern int library_chosen(void), library_datum(void), library_local(void);

int bare_main(long *stack)
{
    report("function", library_chosen());
    report("data", library_datum());
    report("local", library_local());
    return 0;
}
