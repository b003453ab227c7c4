// Says which copy it is.
int WHICH(void) { return NUMBER; }
