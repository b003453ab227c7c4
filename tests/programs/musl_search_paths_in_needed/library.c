// Needed by a name with a slash.
int answer(void) { return 6; }
