// Has a path of its own.
extern int own(void);
int ask(void) { return own(); }
