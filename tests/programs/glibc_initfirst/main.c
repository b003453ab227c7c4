// DF_1_INITFIRST: its constructors run before those of the libraries that stand behind it.
//# libc: glibc
//# lib: part.c -> libfirst.so -DNAME=first -Wl,-z,initfirst
//# lib: part.c -> libother.so -DNAME=other
//# lib: part.c -> liblast.so -DNAME=last
//# flags: -Wl,--no-as-needed libfirst.so libother.so liblast.so
//# stdout: + first
//# stdout: + last
//# stdout: + other
//# stdout: main
//# stdout: - first
//# stdout: - other
//# stdout: - last
#include <stdio.h>
int main(void) { return puts("main") < 0; }
