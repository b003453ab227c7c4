// There is one of these where the search does not come to.
int answer(void) { return 42; }
