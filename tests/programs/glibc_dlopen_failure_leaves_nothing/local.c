static __thread int local[100] = {1};

int *place(void) { return local; }
