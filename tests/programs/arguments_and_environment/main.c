// argc, argv and envp are the caller's in both modes, and the stack is 16-byte aligned at the entry.
//# args: one two=2 three
//# env: LODE_TEST_VARIABLE=seen
//# stdout: argc 4
//# stdout: argv0 ./main
//# stdout: argv1 one
//# stdout: argv2 two=2
//# stdout: argv3 three
//# stdout: ok argv ends with NULL
//# stdout: ok LODE_TEST_VARIABLE is in envp
//# stdout: ok the stack is aligned
#define BARE_MAIN
#include "bare.h"

int bare_main(long *stack)
{
    long count = stack[0];
    char **arguments = (char **)(stack + 1);
    char **environment = arguments + count + 1;
    report("argc", count);
    for (long i = 0; i < count; i++) {
        put("argv");
        put_number(i);
        put(" ");
        put(arguments[i]);
        put("\n");
    }
    check(arguments[count] == 0, "argv ends with NULL");
    int seen = 0;
    for (char **entry = environment; *entry; entry++)
        seen |= bare_equal(*entry, "LODE_TEST_VARIABLE=seen");
    check(seen, "LODE_TEST_VARIABLE is in envp");
    check((long)stack % 16 == 0, "the stack is aligned");
    return 0;
}
