// Preloaded: stands before all others, but not before the program; its constructor runs.
#include <stdio.h>
#include <unistd.h>
int shared(void) { return NUMBER; }
pid_t getppid(void) { return 12345; }
int programs_own(void) { return -1; }
__attribute__((constructor)) static void init(void) { printf("constructor of %d\n", NUMBER); }
