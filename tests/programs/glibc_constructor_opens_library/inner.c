#include <stdio.h>

int say(void) { return 7; }
__attribute__((constructor)) static void begin(void) { puts("inner constructed"); }
__attribute__((destructor)) static void end(void) { puts("inner destroyed"); }
