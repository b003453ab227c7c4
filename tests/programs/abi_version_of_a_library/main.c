// EI_ABIVERSION 1 with EI_OSABI NONE is refused with the value; the same rule holds for the program.
//# lib: b.c -> libb.so
//# flags: libb.so
//# after: poke libb.so 7 0
//# after: poke libb.so 8 1
//# exit: 127
//# stderr: libb.so: ELF file ABI version invalid
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    return answer();
}
