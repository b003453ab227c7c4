// Two libraries define the same name; a third refers to it.
int value(void) { return NUMBER; }
