// Thread-local data of an opened library.
__thread long value = 7;
long *value_here(void) { return &value; }
