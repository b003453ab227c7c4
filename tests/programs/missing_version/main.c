// A version that the library does not have any more stops the start, by name.
//# lib: new.c -> libv.so.new -Wl,-soname,libv.so -Wl,--version-script=@SOURCE@/new.map
//# lib: old.c -> libv.so -Wl,-soname,libv.so -Wl,--version-script=@SOURCE@/old.map
//# flags: libv.so.new
//# exit: 1
//# stderr: libv.so: version `V2' not found (required by ./main)
//# oracle: no
#define BARE_MAIN
#include "bare.h"

extern int versioned(void);

int bare_main(long *stack)
{
    return versioned();
}
