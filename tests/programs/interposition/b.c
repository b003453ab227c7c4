int chosen(void) { return 2; }
int datum = 20;
__attribute__((visibility("hidden"))) int hidden_choice(void) { return 2; }
int library_chosen(void) { return chosen(); }
int library_datum(void) { return datum; }
int library_local(void) { return hidden_choice(); }
