// The variables of musl_tls_main in a library, by the initial exec model; the program refers to one of them and has some of its own, and so has another library.
//# libc: musl
//# lib: ../musl_tls_main/variables.c -> libvariables.so -ftls-model=initial-exec
//# lib: other.c -> libother.so -ftls-model=initial-exec
//# flags: libvariables.so libother.so
//# stdout: one address 1
//# stdout: main thread 0
//# stdout: its values 0
//# stdout: 100 threads 0
//# stdout: child of fork 0
//# stdout: its threads 0
//# stdout: child ended with 0
//# stdout: values after that 0
//# stdout: own own, another library's 1 0
#include "../musl_tls_main/check.h"

extern __thread int initialised;
extern char *more_here(void);
static __thread char own[13] = "own";

int main(void)
{
    printf("one address %d\n", &initialised == initialised_here());
    check();
    printf("own %s, another library's %d %d\n", own, more_here()[0], more_here()[76]);
    return 0;
}
