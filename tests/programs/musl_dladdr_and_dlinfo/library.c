// A library to be found by addresses.
int exported = 3;
static int hidden(void) { return 4; }
int function(void) { return 5; }
void *hidden_function(void) { return hidden; }
