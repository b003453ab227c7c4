// EI_OSABI GNU with version 3, the highest that is known, runs; of a program and of a library.
//# lib: b.c -> libb.so
//# flags: libb.so
//# after: poke libb.so 7 3
//# after: poke libb.so 8 3
//# after: poke main 7 3
//# after: poke main 8 3
//# exit: 6
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    return answer();
}
