// Refers to `value`, of its own dependency or of whom is global.
extern int value(void);
int use(void) { return value(); }
