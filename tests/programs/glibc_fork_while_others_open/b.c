__thread int value = 5;
int *place(void) { return &value; }
