// A counter of each thread.
__thread int counter = 100;
int next(void) { return ++counter; }
