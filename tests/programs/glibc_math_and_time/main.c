// libm's indirect functions, the kernel's vDSO for clocks, and long double.
//# libc: glibc
//# flags: -lm -fno-builtin
//# stdout: sin 0.841471
//# stdout: floor -3
//# stdout: fma 7
//# stdout: exp 2.71828
//# stdout: powl 1024
//# stdout: clock 1
#include <math.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
    volatile double one = 1, x = -2.5;
    printf("sin %g\nfloor %g\nfma %g\nexp %g\n", sin(one), floor(x), fma(2, 3, one), exp(one));
    printf("powl %Lg\n", powl(2.0L * one, 10));
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("clock %d\n", b.tv_sec > a.tv_sec || b.tv_nsec >= a.tv_nsec);
    return 0;
}
