// Needs a symbol that is no more.
extern int gone_as_well(void);
int needs(void) { return gone_as_well(); }
