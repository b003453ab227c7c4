void look(void);
int user(void) { look(); return 2; }
