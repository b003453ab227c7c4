static __thread int value = 1;

int *place(void) { return &value; }
