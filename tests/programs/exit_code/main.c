// The smallest program: no library, no relocation, one exit status.
//# exit: 42
#define BARE_MAIN
#include "bare.h"

int bare_main(long *stack)
{
    return 42;
}
