// A program whose entry is data is refused: glibc jumps there.
//# flags: -Wl,-e,data
//# oracle: no
//# exit: 127
//# stderr: main: the entry point is not in an executable segment
#define BARE_MAIN
#include "bare.h"

int data = 1;

int bare_main(long *stack)
{
    put("started\n");
    return data;
}
