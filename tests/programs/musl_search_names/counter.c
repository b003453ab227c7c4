// A library under several names.
int loads;
__attribute__((constructor)) static void init(void) { loads++; }
int *loads_here(void) { return &loads; }
