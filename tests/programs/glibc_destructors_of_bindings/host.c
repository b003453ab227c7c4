#include <stdio.h>

static int alive = 1;
int answer(void) { return alive; }

__attribute__((destructor)) static void end(void)
{
    alive = 0;
    puts("host ends");
}
