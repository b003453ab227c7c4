// Asks for the old version, as an object does that was linked long ago.
int answer(void), retired(void);
int user(void) { return answer(); }
int user_of_retired(void) { return retired(); }
