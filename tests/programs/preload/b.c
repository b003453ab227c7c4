int first(void) { return 3; }
int second(void) { return 3; }
int third(void) { return 3; }
