static __thread int quick[64] = {9};

int *place(void) { return quick; }
