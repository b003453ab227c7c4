// Comes later.
int later(void) { return 77; }
int early(void) { return 78; }
