int inner(void) { return 8; }
