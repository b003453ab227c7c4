// The library of program.c.
__thread int library_counter = 7;
static int base;
__attribute__((constructor)) static void set(void) { base = 100; }
int library_sum(int a) { return a + base; }
