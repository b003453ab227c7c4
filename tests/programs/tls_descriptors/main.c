// TLS descriptors (-mtls-dialect=gnu2): a library's own variable, another library's, and a hidden one.
//# lib: c.c -> libc_.so
//# lib: b.c -> libb.so libc_.so -mtls-dialect=gnu2
//# flags: libb.so libc_.so
//# stdout: own 5
//# stdout: other's 9
//# stdout: hidden 6
//# stdout: ok one address
//# stdout: written 10
#define BARE_MAIN
#include "bare.h"

extern __thread int others __attribute__((tls_model("initial-exec")));
extern int own_by_descriptor(void), others_by_descriptor(void), hidden_by_descriptor(void), *others_address(void);

int bare_main(long *stack)
{
    report("own", own_by_descriptor());
    report("other's", others_by_descriptor());
    report("hidden", hidden_by_descriptor());
    check(others_address() == &others, "one address");
    others++;
    report("written", others_by_descriptor());
    return 0;
}
