// Counts its constructors: one for each time it is loaded.
#include <pthread.h>

static __thread int own = 3;
static volatile int constructed;

__attribute__((constructor)) static void begin(void)
{
    sched_yield();
    constructed++;
}

int value(void) { return constructed == 1 ? own : -1; }
