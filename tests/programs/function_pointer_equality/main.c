// In a program at a fixed address a function's address may be that of its PLT entry: the undefined symbol has a
// value. The library must see the same address, and calls must still reach the function.
//# lib: b.c -> libb.so
//# flags: libb.so -no-pie -fno-pie -fno-pic
//# stdout: ok equal
//# stdout: ok equal in data
//# stdout: call 5
//# stdout: call by pointer 5
#define BARE_MAIN
#include "bare.h"

extern int shared_function(void);
extern int (*library_pointer(void))(void);
int (*in_data)(void) = shared_function;

int bare_main(long *stack)
{
    int (*volatile mine)(void) = shared_function;
    check(mine == library_pointer(), "equal");
    check(in_data == mine, "equal in data");
    report("call", shared_function());
    report("call by pointer", library_pointer()());
    return 0;
}
