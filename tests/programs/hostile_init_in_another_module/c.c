void first(void) {}
