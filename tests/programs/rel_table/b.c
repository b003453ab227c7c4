int array[4] = {3, 4, 5, 6};
static int nine_datum = 9;
static int *volatile pointer = &nine_datum;
int nine(void) { return *pointer; }

