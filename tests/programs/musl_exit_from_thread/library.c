// A destructor that uses thread-local data of the thread that exits.
#include <stdio.h>
__thread int here = 1;
int *here_here(void) { return &here; }
__attribute__((destructor)) static void fini(void) { printf("destructor %d\n", here); }
