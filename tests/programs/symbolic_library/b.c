int chosen(void) { return 2; }
int datum = 20;
static int (*volatile pointer)(void) = chosen;
int library_call(void) { return chosen(); }
int library_pointer(void) { return pointer(); }
int library_datum(void) { return datum; }
