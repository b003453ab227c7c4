// The library of bare.c: a constructor, thread-local storage, and a word that is relocated.
__thread int bare_counter = 7;
static int base;
static int *const where = &base;
__attribute__((constructor)) static void set(void) { base = 100; }
int bare_sum(int a) { return a + *where; }
