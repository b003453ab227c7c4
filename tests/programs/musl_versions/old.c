// The library as it was, with the first version only.
int answer(void) { return 1; }
int retired(void) { return 3; }
