// DT_RELR over a large table with gaps of many sizes: every pointer arrives, and every plain number next to one stays.
// glibc wants GLIBC_ABI_DT_RELR of a file that needs libc; this one needs nothing.
//# flags: -Wl,-z,pack-relative-relocs
//# flags-lld: -Wl,--pack-dyn-relocs=relr
//# stdout: ok dense
//# stdout: ok sparse
//# stdout: ok numbers stay
#define BARE_MAIN
#include "bare.h"

static int target[1000];

#define P1(n) &target[n]
#define P10(n) P1(n), P1(n + 1), P1(n + 2), P1(n + 3), P1(n + 4), P1(n + 5), P1(n + 6), P1(n + 7), P1(n + 8), P1(n + 9)
#define P100(n) P10(n), P10(n + 10), P10(n + 20), P10(n + 30), P10(n + 40), P10(n + 50), P10(n + 60), P10(n + 70), \
                P10(n + 80), P10(n + 90)
static int *volatile dense[300] = {P100(0), P100(100), P100(200)};

// A pointer, and then as many plain numbers as the type says.
#define GAP(n) struct { int *pointer; unsigned long numbers[n]; }
#define FILLED(n) {&target[n], {[0 ... n - 1] = 0x1000 + n}}
static volatile struct {
    GAP(1) a; GAP(2) b; GAP(61) c; GAP(62) d; GAP(63) e; GAP(64) f; GAP(65) g; GAP(125) h; GAP(126) i; GAP(500) j; GAP(1) k;
} sparse = {FILLED(1), FILLED(2), FILLED(61), FILLED(62), FILLED(63), FILLED(64), FILLED(65), FILLED(125), FILLED(126),
            FILLED(500), FILLED(1)};

#define POINTER_RIGHT(member, n) (sparse.member.pointer == &target[n])
static int numbers_right(const volatile unsigned long *numbers, int n)
{
    int right = 1;
    for (int i = 0; i < n; i++)
        right &= numbers[i] == 0x1000ul + n;
    return right;
}
#define NUMBERS_RIGHT(member, n) numbers_right(sparse.member.numbers, n)

int bare_main(long *stack)
{
    int right = 1;
    for (int i = 0; i < 300; i++)
        right &= dense[i] == &target[i];
    check(right, "dense");
    check(POINTER_RIGHT(a, 1) && POINTER_RIGHT(b, 2) && POINTER_RIGHT(c, 61) && POINTER_RIGHT(d, 62) &&
              POINTER_RIGHT(e, 63) && POINTER_RIGHT(f, 64) && POINTER_RIGHT(g, 65) && POINTER_RIGHT(h, 125) &&
              POINTER_RIGHT(i, 126) && POINTER_RIGHT(j, 500) && POINTER_RIGHT(k, 1),
          "sparse");
    check(NUMBERS_RIGHT(a, 1) && NUMBERS_RIGHT(b, 2) && NUMBERS_RIGHT(c, 61) && NUMBERS_RIGHT(d, 62) &&
              NUMBERS_RIGHT(e, 63) && NUMBERS_RIGHT(f, 64) && NUMBERS_RIGHT(g, 65) && NUMBERS_RIGHT(h, 125) &&
              NUMBERS_RIGHT(i, 126) && NUMBERS_RIGHT(j, 500) && NUMBERS_RIGHT(k, 1),
          "numbers stay");
    return 0;
}
