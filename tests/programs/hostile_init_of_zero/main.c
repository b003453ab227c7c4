// DT_INIT and DT_FINI of 0 are absent: linkers write 0 when the symbol that they were told of has no value. glibc calls the ELF header.
//# lib: b.c -> libb.so -Wl,--defsym=nothing=0 -Wl,-init=nothing -Wl,-fini=nothing
//# flags: libb.so
//# oracle: no
//# stdout: 7
#define BARE_MAIN
#define BARE_FINALISE
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    put(answer() == 7 ? "7\n" : "?\n");
    return 0;
}
