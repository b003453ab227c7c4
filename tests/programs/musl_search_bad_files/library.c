// The right one.
int answer(void) { return 1; }
