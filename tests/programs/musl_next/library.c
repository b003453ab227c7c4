// Wraps what comes after it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int which(void) { return 10 * NUMBER + (dlsym(RTLD_NEXT, "which") ? ((int (*)(void))dlsym(RTLD_NEXT, "which"))() : 0); }
