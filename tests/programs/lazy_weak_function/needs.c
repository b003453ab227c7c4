// Calls what may come later.
extern int later(void) __attribute__((weak)), early(void) __attribute__((weak));
int call_later(void) { return later(); }
int call_early(void) { return early(); }
