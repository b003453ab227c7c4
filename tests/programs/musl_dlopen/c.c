// A dependency of the opened library.
#include <stdio.h>
__attribute__((constructor)) static void init(void) { printf("c constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("c destructor\n"); }
int deeper(void) { return 5; }
