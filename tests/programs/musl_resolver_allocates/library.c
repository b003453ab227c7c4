// A function whose resolver asks libc for memory, and keeps some of it.
#include "allocate.h"

static int good(void) { return 42; }
static int bad(void) { return 1; }
static void *choose(void) { return allocate("library") ? (void *)good : (void *)bad; }
int chosen(void) __attribute__((ifunc("choose")));
const char *kept_by_library(void) { return kept; }
