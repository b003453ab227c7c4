#include <stdio.h>
static int number;
__attribute__((constructor)) static void come(void) { puts("+ shared"); }
__attribute__((destructor)) static void go(void) { puts("- shared"); }
int shared_next(void) { return ++number; }
