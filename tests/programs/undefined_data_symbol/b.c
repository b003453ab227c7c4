extern int nobody_has_this;
int answer(void) { return nobody_has_this; }
