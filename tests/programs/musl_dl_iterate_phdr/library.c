// A library with thread-local data.
__thread int variable = 3;
int *variable_here(void) { return &variable; }
