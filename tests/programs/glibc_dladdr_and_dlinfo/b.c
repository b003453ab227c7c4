#define _GNU_SOURCE
#include <dlfcn.h>
int which(void) { return 2; }
__thread int tls = 1;
int next_which(void)
{
    int (*next)(void) = dlsym(RTLD_NEXT, "which");
    return next ? next() : -1;
}
