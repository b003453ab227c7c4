extern int called_back(void);
int one(void) { return 1; }
int two(void) { return 2; }
int three(void) { return 3; }
int four(void) { return 4; }
int calls_back(void) { return called_back(); }
