// The variables of musl_tls_main in a library, by the general dynamic model.
//# libc: musl
//# lib: ../musl_tls_main/variables.c -> libvariables.so
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
