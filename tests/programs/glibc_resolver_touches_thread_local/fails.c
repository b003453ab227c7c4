// Its resolver touches its thread-local data, and its answer does not fit into the 32 bits that the word of the pointer is left by the damage.
static __thread volatile int own = 7;
static int seven(void) { return 7; }
static int wrong(void) { return -1; }
static void *choose(void) { return own == 7 ? seven : wrong; }
__attribute__((visibility("default"))) int chosen(void) __attribute__((ifunc("choose")));
__attribute__((used)) static int (*volatile pointer)(void) = chosen;
