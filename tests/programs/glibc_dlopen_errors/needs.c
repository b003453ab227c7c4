extern int gone(void);
int needs(void) { return gone(); }
