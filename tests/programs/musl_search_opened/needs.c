// Needs what lies on its own path.
extern int deep(void);
int needs(void) { return deep(); }
