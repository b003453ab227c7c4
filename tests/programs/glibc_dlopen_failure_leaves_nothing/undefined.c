extern int nowhere_at_all(void); int (*through)(void); int undefined(void) { return nowhere_at_all(); }
