static int value = 7;
static int *volatile pointer = &value;
int seven(void) { return *pointer; }
