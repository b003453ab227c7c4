// Constructors run depth first, dependencies before those that need them, a circle broken where it is entered; destructors in the reverse order, after the
// handlers of atexit. DT_PREINIT_ARRAY is nobody's business.
//# libc: musl
//# lib: part.c -> libd.so -DNAME="d" -fvisibility=hidden -Wl,-soname,libd.so
//# lib: part.c -> libc1.so -DNAME="c" -Wl,-init,started,-fini,finished libd.so
//# lib: part.c -> libb.so -DNAME="b" -fvisibility=hidden libd.so
//# lib: part.c -> libd.so -DNAME="d" -fvisibility=hidden libb.so
//# lib: part.c -> liba.so -DNAME="a" -fvisibility=hidden libb.so libc1.so
//# flags: libc1.so liba.so
//# stdout: b constructor 101
//# stdout: b constructor
//# stdout: d constructor 101
//# stdout: d constructor
//# stdout: c DT_INIT
//# stdout: c constructor 101
//# stdout: c constructor
//# stdout: a constructor 101
//# stdout: a constructor
//# stdout: main constructor
//# stdout: main
//# stdout: main atexit
//# stdout: a atexit
//# stdout: c atexit
//# stdout: d atexit
//# stdout: b atexit
//# stdout: main destructor
//# stdout: a destructor
//# stdout: a destructor 101
//# stdout: c destructor
//# stdout: c destructor 101
//# stdout: c DT_FINI
//# stdout: d destructor
//# stdout: d destructor 101
//# stdout: b destructor
//# stdout: b destructor 101
#include <stdio.h>
#include <stdlib.h>

static void never(void) { printf("preinit\n"); }
__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) = never;
static void at_exit(void) { printf("main atexit\n"); }
__attribute__((constructor)) static void init(void) { printf("main constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("main destructor\n"); }

int main(void)
{
    atexit(at_exit);
    printf("main\n");
    return 0;
}
