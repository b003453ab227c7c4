// Counts for itself, and for each thread.
#include <errno.h>
#include <stdlib.h>

static int number;
static __thread int own = 10;

int next(void) { return ++number; }
int next_of_thread(void) { return ++own; }
void *memory(void) { return malloc(100); }
int fails(void)
{
    errno = 0;
    return (malloc)(-1ul / 2) == NULL && errno == ENOMEM;
}
