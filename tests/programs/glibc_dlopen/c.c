#include <stdio.h>
__attribute__((constructor)) static void init(void) { puts("c constructor"); }
int from_c(void) { return 10; }
