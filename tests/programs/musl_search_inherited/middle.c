// Needs a library for which it names no place.
extern int deep(void);
int middle(void) { return deep(); }
