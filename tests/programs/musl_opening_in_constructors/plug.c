// Opened by a constructor.
#include <stdio.h>
__thread int value = 4;
__attribute__((constructor)) static void init(void) { printf("plug's constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("plug's destructor\n"); }
int plug(void) { return value; }
