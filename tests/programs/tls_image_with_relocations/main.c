// The initial image of TLS holds pointers: threads get a copy of the relocated image.
//# lib: b.c -> libb.so
//# flags: libb.so
//# stdout: ok pointer to own data
//# stdout: ok pointer to a library
//# stdout: ok library's pointer
#define BARE_MAIN
#include "bare.h"

static int own;
extern int others;
static __thread int *volatile own_pointer = &own;
static __thread int *volatile others_pointer = &others;
extern __thread int *library_pointer __attribute__((tls_model("initial-exec")));

int bare_main(long *stack)
{
    check(own_pointer == &own, "pointer to own data");
    check(others_pointer == &others, "pointer to a library");
    check(library_pointer == &others, "library's pointer");
    return 0;
}
