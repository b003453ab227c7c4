extern int late(void);
int calls_late(void) { return late(); }
