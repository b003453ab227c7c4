// Thread-local data of an opened library.
__thread int count = 1000;
int counted(void) { return count++; }
