// A loadable segment of no bytes maps nothing and stops nothing. No linker keeps one: its size is taken away here.
//# linkers: bfd
//# lib: b.c -> libb.so -Wl,-T,@SOURCE@/empty.ld
//# flags: libb.so
//# after: swap libb.so 000000000000000023010000000000000010000000000000 000000000000000000000000000000000010000000000000
//# exit: 7
#define BARE_MAIN
#include "bare.h"

extern int seven(void);

int bare_main(long *stack)
{
    return seven();
}
