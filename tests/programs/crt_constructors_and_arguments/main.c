// A C program on libcrt.a: main's arguments, the environment, the status, and constructors. It runs the
// finaliser that it gets, which glibc's loader cannot stand in a program without libc (see bare.h).
//# libc: crt
//# oracle: no
//# args: one two
//# stdout: constructor
//# stdout: argc 3
//# stdout: two
//# stdout: ok environment
//# exit: 5
#include "bare.h"

__attribute__((constructor)) static void init(void) { put("constructor\n"); }

int main(int argc, char **argv, char **envp)
{
    report("argc", argc);
    put(argv[2]);
    put("\n");
    int seen = 0;
    for (; *envp; envp++)
        seen |= bare_equal(*envp, "LC_ALL=C");
    check(seen, "environment");
    return 5;
}
