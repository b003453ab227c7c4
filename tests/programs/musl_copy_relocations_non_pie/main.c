// The same as musl_copy_relocations in a program at a fixed address.
//# libc: musl
//# lib: ../musl_copy_relocations/library.c -> liblibrary.so
//# flags: -fno-pie -no-pie liblibrary.so
//# args: -x value rest
//# env: TZ=XYZ-3
//# stdout: stdout, stderr
//# stdout: environ 1 1
//# stdout: setenv changes the copy 1
//# stdout: option x argument value, optind 3
//# stdout: tzname XYZ, timezone -10800, daylight 0
//# stdout: name ./main main
//# stdout: name by other names ./main main
//# stdout: library's pointer 33, the library's too 1
//# stdout: looked up 1 1
//# stdout: library's numbers 30, one place 1
#include "../musl_copy_relocations/main.c"
