#include "bare.h"
static int target = 1;
static int *const constant = &target;
__attribute__((constructor)) static void init(void)
{
    report("constructor reads", *constant);
    int *const *place = &constant;
    __asm__("" : "+r"(place));
    *(int **)place = 0;
    put("the store went through\n");
}
