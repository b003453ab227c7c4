// Is called by a resolver of a library that does not name it: needs its own relocated words and a function of libc.
#include <string.h>

static const char *const words[] = {"first", "second"};
const char *const *volatile table = words;

int choose(void) { return strcmp(table[1], "second") == 0; }
