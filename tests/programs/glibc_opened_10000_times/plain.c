#include <stdlib.h>

extern char *place(void);
static char *memory;

__attribute__((constructor)) static void begin(void) { memory = malloc(1000); }
__attribute__((destructor)) static void end(void) { free(memory); }

int touch(void) { return *place(); }
