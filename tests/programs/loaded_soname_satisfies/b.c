extern int from_c(void);
int through_b(void) { return from_c(); }
