static __thread int values[40] = {11}; int *place(void) { return values; }
