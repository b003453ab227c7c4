__thread int own = 5;
static __thread volatile int hidden = 6;
extern __thread int others;
int own_by_descriptor(void) { return own; }
int others_by_descriptor(void) { return others; }
int hidden_by_descriptor(void) { return hidden; }
int *others_address(void) { return &others; }
