// Removed before anything is opened.
int gone(void) { return 1; }
