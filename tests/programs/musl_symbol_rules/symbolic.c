// Binds its own references to itself.
int common_data = 3;
int data_seen_by_symbolic(void) { return common_data; }
