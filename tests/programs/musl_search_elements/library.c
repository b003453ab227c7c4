// There is one of these in each place that a list may name.
int answer(void) { return 42; }
