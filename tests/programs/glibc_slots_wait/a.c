#include "many.h"

#define DEFINE(name) \
    long name(long a, long b, long c, long d, long e, long f, double x, double y, double *out) \
    { \
        *out = x - 2 * y; \
        return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + sizeof #name; \
    }
ALL(DEFINE)
