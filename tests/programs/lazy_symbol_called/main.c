// The same, called: the familiar line names object and symbol, status 127.
//# lib: b.c -> libb.so
//# flags: libb.so -Wl,--allow-shlib-undefined
//# bind: lazy
//# stdout: before
//# exit: 127
//# stderr: symbol lookup error:
//# stderr: libb.so: undefined symbol: nobody_has_this
#define BARE_MAIN
#include "bare.h"

extern int answer(int);

int bare_main(long *stack)
{
    put("before\n");
    return answer(1);
}
