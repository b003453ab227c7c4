static __thread int value[100] = {4};

int *place(void) { return value; }
