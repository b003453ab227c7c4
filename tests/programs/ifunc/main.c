// Indirect functions: called, as a pointer in data, in a library and local to the program (IRELATIVE).
//# lib: b.c -> libb.so
//# flags: libb.so
//# stdout: called 2
//# stdout: by pointer 2
//# stdout: library's own call 2
//# stdout: local 3
//# stdout: ok one address
#define BARE_MAIN
#include "bare.h"

extern int chosen(void), library_calls(void);
extern int (*library_pointer(void))(void);
static int (*volatile pointer)(void) = chosen;

static int three(void) { return 3; }
static int (*choose_local(void))(void) { return three; }
static int local(void) __attribute__((ifunc("choose_local")));

int bare_main(long *stack)
{
    report("called", chosen());
    report("by pointer", pointer());
    report("library's own call", library_calls());
    report("local", local());
    check(pointer == library_pointer(), "one address");
    return 0;
}
