// Comes later.
int later(void) { return 77; }
