// Thread-local data with so many zeros that it has no static place, a resolver that looks at it, and in it a word that a later resolver decides.
#define JOINED(a, b) a##_##b
#define JOIN(a, b) JOINED(a, b)
#define OF(name) JOIN(NAME, name)

static __thread volatile int own = FIRST;
static __thread volatile char zeros[1 << 16];
static int first(void) { return FIRST; }
static int wrong(void) { return -1; }
static void *choose(void) { return own == FIRST && zeros[1 << 15] == 0 ? first : wrong; }
int OF(chosen)(void) __attribute__((ifunc("choose")));
static __thread int (*volatile place)(void) = OF(chosen);

int OF(next)(void) { return own + 1; }
int OF(pointer)(void) { return place() == FIRST; }
