// The same as init_and_fini_order in a glibc process, where the system's loader can be asked.
//# libc: glibc
//# lib: ../init_and_fini_order/c.c -> libc_.so -Wl,-init=c_init -Wl,-fini=c_fini -fno-toplevel-reorder
//# lib: ../init_and_fini_order/b.c -> libb.so libc_.so
//# lib: ../init_and_fini_order/a.c -> liba.so libc_.so libb.so
//# flags: liba.so libb.so
//# stdout: preinit
//# stdout: c init
//# stdout: c init_array 1
//# stdout: c init_array 2
//# stdout: b init_array
//# stdout: a init_array
//# stdout: program init_array
//# stdout: argc 1
//# stdout: main
//# stdout: program fini_array
//# stdout: a fini_array
//# stdout: b fini_array
//# stdout: c fini_array 2
//# stdout: c fini_array 1
//# stdout: c fini
#define BARE_HOSTED
#include "../init_and_fini_order/main.c"
