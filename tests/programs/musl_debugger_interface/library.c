// In the chain.
int answer(void) { return 1; }
