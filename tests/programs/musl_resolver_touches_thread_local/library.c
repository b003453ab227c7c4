// Its resolver, which is called for a word of its data, looks at thread-local data.
static __thread volatile int own = 42;
static int good(void) { return 42; }
static int wrong(void) { return -1; }
static void *choose(void) { return own == 42 ? good : wrong; }
int chosen(void) __attribute__((ifunc("choose")));
static int (*volatile word)(void) = chosen;
int next(void) { return own + (word() == 42); }
