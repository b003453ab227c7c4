// The global scope is breadth first: liba and libb before libc_ and libd, which liba and libb need.
//# lib: d.c -> libd.so
//# lib: c.c -> libc_.so
//# lib: a.c -> liba.so libc_.so
//# lib: b.c -> libb.so libd.so
//# flags: liba.so libb.so
//# stdout: first main
//# stdout: second a
//# stdout: third b
//# stdout: fourth c
//# stdout: fifth d
#define BARE_MAIN
#include "bare.h"

extern const char *from_a(const char **, const char **, const char **, const char **);
const char *first(void) { return "main"; }

// Every library asks for the same names, which several of them define: the answer is everybody's.
int bare_main(long *stack)
{
    const char *second, *third, *fourth, *fifth;
    put("first ");
    put(from_a(&second, &third, &fourth, &fifth));
    put("\nsecond ");
    put(second);
    put("\nthird ");
    put(third);
    put("\nfourth ");
    put(fourth);
    put("\nfifth ");
    put(fifth);
    put("\n");
    return 0;
}
