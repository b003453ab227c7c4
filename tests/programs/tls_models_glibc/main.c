// The same as tls_models in a glibc process, where the system's loader can be asked.
//# libc: glibc
//# lib: ../tls_models/b.c -> libb.so
//# flags: libb.so
//# stdout: local exec 1
//# stdout: initial exec 12
//# stdout: general dynamic 12
//# stdout: local dynamic 7
//# stdout: ok one address
//# stdout: ok zero-filled
//# stdout: written 13
#define BARE_HOSTED
#include "../tls_models/main.c"
