static __thread int values[128] = {VALUE};
int *place(void) { return values; }
