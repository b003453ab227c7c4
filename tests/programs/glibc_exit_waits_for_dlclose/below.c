#include <stdio.h>
static int gone;
int below_is_gone(void) { return gone; }
__attribute__((destructor)) static void go(void)
{
    gone = 1;
    puts("below");
    fflush(stdout);
}
