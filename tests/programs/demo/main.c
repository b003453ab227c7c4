// What `cargo xtask run --demo` shows on any host: a program that needs no C library, with a library of its own.
//# lib: greeting.c -> libgreeting.so
//# flags: libgreeting.so
//# stdout: Hello from a program without a C library.
//# stdout: Its library was found by RUNPATH and bound; its constructor ran first.
//# stdout: ok a function pointer that DT_RELR or DT_RELA has made
//# stdout: ok a thread-local variable that both share
//# stdout: arguments 1
#define BARE_MAIN
#include "bare.h"

extern const char *(*const greetings[2])(void);
extern __thread int counted __attribute__((tls_model("initial-exec")));

int bare_main(long *stack)
{
    put(greetings[0]());
    put(greetings[1]());
    check(greetings[0] != greetings[1], "a function pointer that DT_RELR or DT_RELA has made");
    check(counted == 2, "a thread-local variable that both share");
    report("arguments", *stack);
    return 0;
}
