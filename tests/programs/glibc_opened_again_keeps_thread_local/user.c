int *place(void);

int *place_of_needed(void) { return place(); }
