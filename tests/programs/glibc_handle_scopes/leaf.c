const char *leaf_name(void) { return "leaf"; }
