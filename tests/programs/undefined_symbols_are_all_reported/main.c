// With immediate binding every undefined symbol is named in one run, not only the first.
//# lib: b.c -> libb.so
//# lib: empty.c -> empty.so -Wl,-soname,libb.so
//# flags: libb.so
//# after: cp empty.so libb.so
//# bind: now
//# oracle: no
//# exit: 127
//# stderr: symbol lookup error: ./main: undefined symbol: 
//# stderr: undefined symbol: one
//# stderr: undefined symbol: two
//# stderr: undefined symbol: three
#define BARE_MAIN
#include "bare.h"

extern int one(void), two(void), three(void);

int bare_main(long *stack)
{
    return one() + two() + three();
}
