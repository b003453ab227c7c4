// One of many.
static __thread int own = NUMBER;
static int initialised;
__attribute__((constructor)) static void init(void) { initialised++; }
int ask(void) { return initialised == 1 ? own++ : -1000; }
