// A function that is chosen when the library is loaded, by what is known by then: its own data, libc and thread-local data.
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
static int chosen_before = 5;
static int *const relocated = &chosen_before;
static __thread int own = 6;
static int good(void) { return 42; }
static int bad(void) { return 1; }
static void *choose(void) { return *relocated == 5 && own == 6 && getenv("GREETING") && getauxval(AT_PAGESZ) == 4096 ? (void *)good : (void *)bad; }
int chosen(void) __attribute__((ifunc("choose")));
int call_inside(void) { return chosen(); }
int (*const table[])(void) = {chosen};
