// The same names without versions.
int answer(void) { return 10; }
int retired(void) { return 30; }
