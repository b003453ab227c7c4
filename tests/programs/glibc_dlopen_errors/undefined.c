extern int nobody_has_this(void);
int calls(void) { return nobody_has_this(); }
