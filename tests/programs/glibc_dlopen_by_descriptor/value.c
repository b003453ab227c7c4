static int value;

int next(void) { return ++value; }
