int versioned(void) { return 2; }
