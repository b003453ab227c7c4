const char *first(void) { return "b"; }
const char *second(void) { return "b"; }
const char *third(void) { return "b"; }
