int versioned(void) { return 1; }
