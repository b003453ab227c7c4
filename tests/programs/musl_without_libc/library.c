// Thread-local data and a constructor, without libc.
static __thread int own = 5;
static int ready;
__attribute__((constructor)) static void init(void) { ready = own + 1; }
int answer(void) { return ready * 10 + own; }
