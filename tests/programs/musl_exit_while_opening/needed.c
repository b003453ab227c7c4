// What the opened library needs: it is through when exit is called.
#include <stdio.h>

__attribute__((constructor)) static void init(void) { printf("needed constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("needed destructor\n"); }
