// Needs symbols that are no more.
extern int gone_too, gone_as_well(void);
int needs(void) { return gone_as_well() + gone_too; }
