int needed(void) { return 11; }
