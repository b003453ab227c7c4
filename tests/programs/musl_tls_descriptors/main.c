// The variables of musl_tls_main in a library, by descriptors.
//# libc: musl
//# lib: ../musl_tls_main/variables.c -> libvariables.so -mtls-dialect=gnu2
//# flags: libvariables.so
//# stdout: main thread 0
//# stdout: its values 0
//# stdout: 100 threads 0
//# stdout: child of fork 0
//# stdout: its threads 0
//# stdout: child ended with 0
//# stdout: values after that 0
#include "../musl_tls_main/check.h"

int main(void)
{
    check();
    return 0;
}
