int late(void) { return 7; }
long f299(void) { return -1; }
