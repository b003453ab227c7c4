static int one(void) { return 1; }
static int two(void) { return 2; }
static volatile int which = 2;
static int (*choose(void))(void) { return which == 2 ? two : one; }
int chosen(void) __attribute__((ifunc("choose")));
int library_calls(void) { return chosen(); }
int (*library_pointer(void))(void) { return chosen; }
