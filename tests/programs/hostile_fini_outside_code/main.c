// DT_FINI that leads into data is refused at the start, not when the program ends.
//# lib: b.c -> libb.so -Wl,-fini=data
//# flags: libb.so
//# oracle: no
//# exit: 127
//# stderr: libb.so: a function that the file wants called
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    put("started\n");
    return answer();
}
