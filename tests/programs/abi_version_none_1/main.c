// EI_OSABI NONE with version 1 is refused, for a program as for a library; glibc asks only as a command.
//# after: poke main 7 0
//# after: poke main 8 1
//# oracle: no
//# exit: 127
//# stderr: ELF file ABI version invalid
#define BARE_MAIN
#include "bare.h"

int bare_main(long *stack)
{
    put("started\n");
    return 0;
}
