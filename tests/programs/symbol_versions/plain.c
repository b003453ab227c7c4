int versioned(void) { return 0; }
