// Needs a library that is not there.
int needs(void) { return 2; }
