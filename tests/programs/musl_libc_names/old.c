// Needs libc by the names that glibc's have.
#include <math.h>
#include <stdio.h>
double root(double of) { return sqrt(of) + fmod(of, 2); }
