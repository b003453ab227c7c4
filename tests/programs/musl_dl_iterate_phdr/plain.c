// A library without.
int plain(void) { return 1; }
