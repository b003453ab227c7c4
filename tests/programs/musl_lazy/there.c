// Is there from the start.
int there(void) { return 11; }
