extern int versioned(void);
int from_unversioned(void) { return versioned(); }
