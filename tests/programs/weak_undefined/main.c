// A weak reference that nobody defines is 0; one that somebody defines is not.
//# lib: b.c -> libb.so
//# flags: libb.so
//# stdout: ok absent function
//# stdout: ok absent data
//# stdout: ok present function
#define BARE_MAIN
#include "bare.h"

extern int b_sees_absent_function(void), b_sees_absent_data(void), b_sees_present(void);

int bare_main(long *stack)
{
    check(!b_sees_absent_function(), "absent function");
    check(!b_sees_absent_data(), "absent data");
    check(b_sees_present(), "present function");
    return 0;
}
