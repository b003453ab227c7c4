static int calls;
int from_c(void) { return calls; }

