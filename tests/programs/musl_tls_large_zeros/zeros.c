// Thread-local zeros, as a mathematical library has for its buffers.
__thread char zeros[512 * 1024];
char *zeros_here(void) { return zeros; }
