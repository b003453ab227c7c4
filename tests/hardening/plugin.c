// A library to open. A pointer that is relocated gives it RELRO.
static int target = 1;
int *const pointer = &target;
int plugin(void) { return *pointer; }
