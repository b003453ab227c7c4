#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)
#define TEXT(a) #a
#define QUOTE(a) TEXT(a)
static char own[] = QUOTE(PREFIX);
const char *NAME(PREFIX, name)(void) { return "filter"; }
const char *NAME(PREFIX, own)(void) { own[sizeof own - 2] = 0; return own; }
