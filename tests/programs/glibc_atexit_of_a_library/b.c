#include <stdio.h>
#include <stdlib.h>

int library = 1;

static void at_exit(void) { puts("library's atexit"); }
__attribute__((constructor)) static void begin(void) { atexit(at_exit); }
__attribute__((destructor)) static void end(void) { puts("library's destructor"); }
