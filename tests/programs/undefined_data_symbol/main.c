// A data reference that nobody defines stops the start, also with lazy binding.
//# lib: b.c -> libb.so
//# flags: libb.so -Wl,--allow-shlib-undefined
//# exit: 127
//# stderr: symbol lookup error:
//# stderr: libb.so: undefined symbol: nobody_has_this
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    put("started\n");
    return answer();
}
