// Removed.
int answer(void) { return 1; }
