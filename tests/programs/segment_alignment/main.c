// A library whose segments ask for more than a page lies at such an address.
//# lib: b.c -> libb.so -Wl,-z,max-page-size=0x10000
//# lib: c.c -> libc_.so -Wl,-z,max-page-size=0x200000
//# flags: libb.so libc_.so
//# stdout: ok 64 KiB
//# stdout: ok 2 MiB
//# stdout: values 3
#define BARE_MAIN
#include "bare.h"

extern const char *base_b(void), *base_c(void);
extern int value_b, value_c;

int bare_main(long *stack)
{
    check((long)base_b() % 0x10000 == 0, "64 KiB");
    check((long)base_c() % 0x200000 == 0, "2 MiB");
    report("values", value_b + value_c);
    return 0;
}
