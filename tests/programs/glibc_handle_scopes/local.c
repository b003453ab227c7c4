const char *leaf_name(void);
const char *local_sees(void) { return leaf_name(); }
