int datum = 7;
extern int alias __attribute__((weak, alias("datum")));
const int constant = 99;
int array[5] = {1, 2, 3, 4, 5};
int library_datum(void) { return datum; }
int *library_address(void) { return &datum; }
