// A protected definition is its own library's answer, whatever the program defines.
//# lib: b.S -> libb.so
//# flags: libb.so -Wl,--export-dynamic
//# stdout: own function 2
//# stdout: own data 20
//# stdout: program's function 1
#define BARE_MAIN
#include "bare.h"

int guarded(void) { return 1; }
int guarded_datum = 10;
extern int library_guarded(void), library_datum(void);

int bare_main(long *stack)
{
    report("own function", library_guarded());
    report("own data", library_datum());
    report("program's function", guarded());
    return 0;
}
