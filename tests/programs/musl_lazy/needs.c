// Calls, and refers to, what may come later.
extern int later_weak(void) __attribute__((weak)), later(void);
extern int there(void);
int call_there(void) { return there(); }
int call_later(void) { return later(); }
int call_weak(void) { return later_weak(); }
