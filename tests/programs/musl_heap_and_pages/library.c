// A library whose writable segment leaves most of its last page free.
int numbers[300] = {1};
static int *const pointer = numbers;
int *const *constant(void) { return &pointer; }
