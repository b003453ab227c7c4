#include <stdio.h>
int inner(void);
static int live;
__attribute__((constructor)) static void come(void) { live = 1; printf("+ outer, inner %d\n", inner()); }
__attribute__((destructor)) static void go(void) { puts("- outer"); }
int outer(void) { return live; }
