// Opened by the program, with thread-local data of its own.
__thread char data[100000];
int use(void) { return data[50000]++; }
