// A preloaded library that is not there changes nothing.
//# libc: musl
//# env: LD_PRELOAD=@DIR@/libabsent.so
//# stdout: started
#include <stdio.h>

int main(void)
{
    printf("started\n");
    return 0;
}
