// A library with a constructor and a destructor, which needs another one.
extern "C" int needed(void);

static int live;

__attribute__((constructor)) static void begin(void) { live = needed(); }
__attribute__((destructor)) static void end(void) { live = 0; }

extern "C" int answer(void) { return live; }
