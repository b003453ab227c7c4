int late(void) { return 8; }
