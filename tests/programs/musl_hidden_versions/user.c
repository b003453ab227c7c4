// Asks without versions: it was linked with a library that has none.
int answer(void), retired(void);
int user(void) { return answer(); }
int user_of_retired(void) { return retired(); }
