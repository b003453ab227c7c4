// Asks for more stack than the program.
int answer(void) { return 1; }
