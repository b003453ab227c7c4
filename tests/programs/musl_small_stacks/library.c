// Opened on a small stack; it has thread-local data and needs nothing.
__thread int value[100] = {8};
int answer(void) { return value[0]; }
