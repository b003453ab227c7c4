// The first musl program: stdio, atexit, a destructor, arguments and the environment.
//# libc: musl
//# args: world
//# env: GREETING=hello
//# stdout: constructor
//# stdout: hello world
//# stdout: second atexit
//# stdout: first atexit
//# stdout: destructor
//# exit: 3
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void init(void) { printf("constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("destructor\n"); }
static void first(void) { printf("first atexit\n"); }
static void second(void) { printf("second atexit\n"); }

int main(int argc, char **argv)
{
    atexit(first);
    atexit(second);
    printf("%s %s\n", getenv("GREETING"), argv[1]);
    return 3;
}
