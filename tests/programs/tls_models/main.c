// The four ways to reach a thread-local variable, in the program and in a library, all of one variable.
//# lib: b.c -> libb.so /lib64/ld-linux-x86-64.so.2
//# flags: libb.so
//# stdout: local exec 1
//# stdout: initial exec 12
//# stdout: general dynamic 12
//# stdout: local dynamic 7
//# stdout: ok one address
//# stdout: ok zero-filled
//# stdout: written 13
//# oracle: no
#define BARE_MAIN
#include "bare.h"

static __thread volatile int own = 1;
extern __thread int shared __attribute__((tls_model("initial-exec")));
extern int library_shared(void), library_local(void), *library_address(void), library_zeros(void);

int bare_main(long *stack)
{
    report("local exec", own);
    report("initial exec", shared);
    report("general dynamic", library_shared());
    report("local dynamic", library_local());
    check(&shared == library_address(), "one address");
    check(library_zeros(), "zero-filled");
    shared++;
    report("written", library_shared());
    return 0;
}
