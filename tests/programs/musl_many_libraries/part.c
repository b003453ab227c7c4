// One of many: thread-local data, a constructor, a relocated pointer.
#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)
static __thread int own = NUMBER;
static int ready, *pointer = &ready;
__attribute__((constructor)) static void init(void) { *pointer = NUMBER; }
int NAME(part, NUMBER)(void) { return ready == NUMBER && own++ == NUMBER; }
