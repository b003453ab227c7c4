int first(void) { return 2; }
int second(void) { return 2; }
