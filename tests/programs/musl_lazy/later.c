// Comes later.
int later(void) { return 77; }
int later_weak(void) { return 0; }
