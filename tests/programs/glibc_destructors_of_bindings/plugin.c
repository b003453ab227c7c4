#include <stdio.h>

int answer(void);

__attribute__((constructor)) static void begin(void) { printf("plugin finds %d\n", answer()); }
__attribute__((destructor)) static void end(void) { printf("plugin ends and finds %d\n", answer()); }
