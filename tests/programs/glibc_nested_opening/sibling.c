#include <stdio.h>
static int live;
__attribute__((constructor)) static void come(void) { live = 1; puts("+ sibling"); }
__attribute__((destructor)) static void go(void) { puts("- sibling"); }
int sibling(void) { return live; }
