#include <stdio.h>
static int live;
__attribute__((constructor)) static void come(void) { live = 1; puts("+ late"); }
int late(void) { return live; }
