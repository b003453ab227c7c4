// A library that is not there: the familiar line, status 127, and nothing of the program runs.
//# lib: b.c -> libb.so
//# flags: libb.so
//# after: rm libb.so
//# exit: 127
//# stderr: ./main: error while loading shared libraries: libb.so: cannot open shared object file: No such file or directory
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    put("started\n");
    return answer();
}
