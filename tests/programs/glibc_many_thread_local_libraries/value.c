static __thread int value[3] = {3, 2, 1};

int *place(void) { return value; }
