// Refers to what nobody has.
extern int nobody_has_this;
int *use(void) { return &nobody_has_this; }
