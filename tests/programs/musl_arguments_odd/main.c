// The same as musl_arguments with another number of arguments: whatever a loader that is run as a command takes away, the stack stays aligned.
//# libc: musl
//# args: one
//# env: GREETING=hello
//# stdout: argc 2, the last is null 1
//# stdout: ./main
//# stdout: one
//# stdout: environ follows 1, hello
//# stdout: getauxval reads the vector after it 1
//# stdout: page 4096, sysconf 4096
//# stdout: not secure 0, to libc neither: hello
//# stdout: absent 0 No such file or directory
//# stdout: access -1 No such file or directory
//# stdout: aligned 1 1
#include "../musl_arguments/main.c"
