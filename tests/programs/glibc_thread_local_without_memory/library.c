// A gibibyte for each thread.
static __thread char room[1 << 30];
char *touch(void) { return room; }
