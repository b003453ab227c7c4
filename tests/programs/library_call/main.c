// One function of one library, through the PLT.
//# lib: b.c -> libb.so
//# flags: libb.so
//# exit: 42
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    return answer();
}
