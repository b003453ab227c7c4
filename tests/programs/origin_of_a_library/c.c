int deep(void) { return 5; }
