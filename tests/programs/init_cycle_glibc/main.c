// The same as init_cycle in a glibc process, where the system's loader can be asked.
//# libc: glibc
//# lib: ../init_cycle/a_alone.c -> liba.so
//# lib: ../init_cycle/b.c -> libb.so liba.so
//# lib: ../init_cycle/a.c -> liba.so libb.so
//# flags: liba.so libb.so
//# stdout-any: yes
#define BARE_HOSTED
#include "../init_cycle/main.c"
