// A segment that is writable and executable is refused by name.
//# linkers: bfd
//# lib: b.S -> libb.so -Wl,--no-warn-rwx-segments
//# flags: libb.so
//# oracle: no
//# exit: 127
//# stderr: libb.so
#define BARE_MAIN
#include "bare.h"

extern int answer(void);

int bare_main(long *stack)
{
    put("started\n");
    return answer();
}
