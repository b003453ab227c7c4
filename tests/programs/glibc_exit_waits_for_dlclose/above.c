#include <stdio.h>
#include <unistd.h>
extern int below_is_gone(void);
extern volatile int closing;
__attribute__((destructor)) static void go(void)
{
    puts("above begins");
    fflush(stdout);
    closing = 1;
    usleep(200000);
    printf("above ends, below is gone %d\n", below_is_gone());
    fflush(stdout);
}
