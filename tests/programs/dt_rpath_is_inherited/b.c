extern int deep(void);
int through_b(void) { return deep(); }
