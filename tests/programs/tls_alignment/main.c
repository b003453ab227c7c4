// Alignment of thread-local data up to 64 KiB, in the program and in libraries, beside modules of odd sizes.
//# lib: b.c -> libb.so
//# lib: c.c -> libc_.so
//# flags: libb.so libc_.so
//# stdout: ok program's alignment
//# stdout: ok program's value
//# stdout: ok 64 KiB alignment
//# stdout: ok 64 KiB value
//# stdout: ok odd value
//# stdout: ok 32 alignment
#define BARE_MAIN
#include "bare.h"

static __thread volatile int own __attribute__((aligned(4096))) = 77;
extern __thread int wide __attribute__((tls_model("initial-exec")));
extern __thread char odd[3] __attribute__((tls_model("initial-exec")));
extern __thread int vector __attribute__((tls_model("initial-exec")));

int bare_main(long *stack)
{
    check((long)&own % 4096 == 0, "program's alignment");
    check(own == 77, "program's value");
    check((long)&wide % 65536 == 0, "64 KiB alignment");
    check(wide == 88, "64 KiB value");
    check(odd[0] == 1 && odd[1] == 2 && odd[2] == 3, "odd value");
    check((long)&vector % 32 == 0 && vector == 5, "32 alignment");
    return 0;
}
