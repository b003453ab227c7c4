// A table that the program has a copy of holds an address that a resolver decides: the copy is made after it.
//# lib: b.c -> libb.so
//# flags: libb.so -no-pie -fno-pie
//# stdout: 42
//# stdout: ok same table
#define BARE_MAIN
#include "bare.h"

extern int (*table[2])(void);
int (**library_table(void))(void);

int bare_main(long *stack)
{
    (void)stack;
    put_number(table[1]());
    put("\n");
    check(library_table() == table, "same table");
    return 0;
}
