// What PT_GNU_RELRO covers is read-only when the program starts: a store kills it, as a store to data does not.
//# flags: -Wl,-z,relro -Wl,-z,now
//# stdout: data 2
//# stdout: relro 1
//# signal: 11
#define BARE_MAIN
#include "bare.h"

static volatile int data = 1;
static int target = 1;
// A pointer that needs a relocation lies in .data.rel.ro, which RELRO covers.
static int *const constant = &target;

int bare_main(long *stack)
{
    data++;
    report("data", data);
    report("relro", *constant);
    int *const *place = &constant;
    __asm__("" : "+r"(place));
    *(int **)place = 0;
    put("the store went through\n");
    return 0;
}
