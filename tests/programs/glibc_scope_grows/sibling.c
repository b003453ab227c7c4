int sibling(void) { return 1; }
int sibling_number(void) { return 42; }
