// In a path search a file of the wrong class is passed over, and the right one behind it is taken.
//# lib: b.c -> wrong/libb.so
//# lib: b.c -> libb.so
//# flags: libb.so
//# after: poke wrong/libb.so 4 1
//# env: LD_LIBRARY_PATH=@DIR@/wrong:@DIR@
//# exit: 6
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    return answer();
}
