// A resolver is code of the program: it reads a pointer of its own library and one of another, calls a function of
// another library that was found by an ordinary slot.
//# lib: c.c -> libc_.so
//# lib: b.c -> libb.so libc_.so
//# flags: libb.so
//# stdout: own word 10
//# stdout: other's word 20
//# stdout: other's call 30
#define BARE_MAIN
#include "bare.h"

extern int own_word(void), others_word(void), others_call(void);

int bare_main(long *stack)
{
    report("own word", own_word());
    report("other's word", others_word());
    report("other's call", others_call());
    return 0;
}
