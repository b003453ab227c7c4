#include <stdio.h>
__attribute__((constructor)) static void come(void) { puts("+ inner"); }
__attribute__((destructor)) static void go(void) { puts("- inner"); }
