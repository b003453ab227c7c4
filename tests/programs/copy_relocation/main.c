// A program at a fixed address has its own copy of a library's variable, and both see the same one. Two names of
// one variable and a read-only one are copied too.
//# lib: b.c -> libb.so
//# flags: libb.so -no-pie -fno-pie -fno-pic
//# stdout: initial 7
//# stdout: library sees 8
//# stdout: alias 8
//# stdout: constant 99
//# stdout: array 5
//# stdout: ok one address
#define BARE_MAIN
#include "bare.h"

extern int datum, alias, array[5];
extern const int constant;
extern int library_datum(void);
extern int *library_address(void);

int bare_main(long *stack)
{
    report("initial", datum);
    datum++;
    report("library sees", library_datum());
    report("alias", alias);
    report("constant", constant);
    report("array", array[4]);
    check(&datum == library_address(), "one address");
    return 0;
}
