// A library has no entry, so it cannot be run as a program: glibc jumps to its ELF header.
//# lib: b.c -> libb.so
//# flags: libb.so
//# after: cp libb.so main
//# modes: command
//# oracle: no
//# exit: 127
//# stderr: main: the entry point is not in an executable segment
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    return answer();
}
