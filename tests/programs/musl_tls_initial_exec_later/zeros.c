// Thread-local data of a library that the start loads.
__thread char zeros[64 * 1024];
__thread int small = 5;
char *zeros_here(void) { return zeros; }
